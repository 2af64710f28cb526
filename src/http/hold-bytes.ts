/** Gives a request its part of what bodies and answers may hold of memory, and takes it back when the answer has gone. */
import type { InflightBytes } from './inflight-bytes.ts';
import type { SealedHandler, SealedLocals } from './sealed-exchange.ts';

/** After the authentication. @param callerOf who is counted */
export function holdBytes<Locals extends SealedLocals>(half: InflightBytes, callerOf: (locals: Locals) => string): SealedHandler<Locals> {
  return (_request, response, next) => {
    const lease = half.open(callerOf(response.locals));
    response.locals.lease = lease;
    response.once('close', () => lease.release());
    next();
  };
}
