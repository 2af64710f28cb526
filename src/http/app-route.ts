/** What every route of an app shares (protocol.md §3): authentication, envelope both ways, answer signature. */
import type { AppId } from '../domain/ids.ts';
import { RefusalError } from '../domain/errors.ts';
import type { Identity } from '../domain/ports.ts';
import { ok, type Exchange, type Reply } from './exchange.ts';
import type { HttpModules, HttpOptions } from './modules.ts';
import { openBody, parseBody, sealAnswer } from './sealed-exchange.ts';

/** The inner body in, the inner answer out. */
export type AppHandler = (appId: AppId, inner: Record<string, unknown>) => object | Promise<object>;

export function knownIdentity(modules: Pick<HttpModules, 'identity'>): Identity {
  const identity = modules.identity();
  if (identity === null) throw new RefusalError('service_unavailable', 'the enclave has not said who this node is');
  return identity;
}

export function appRoute(options: HttpOptions, modules: HttpModules, handler: AppHandler) {
  return async (exchange: Exchange): Promise<Reply> => {
    const { wallet } = knownIdentity(modules);
    const body = await exchange.readBody(options.maxRequestBodyBytes);
    const caller = await modules.authenticator.app(exchange.headers, wallet);
    const { inner, answerSignature } = await openBody(parseBody(body), caller, wallet, modules.enclave);
    const answer = await handler(caller.appId, inner);
    const headers: Record<string, string> = answerSignature === null ? {} : { 'x-kms-response-signature': answerSignature };
    return ok(await sealAnswer(answer, caller, modules.enclave), headers);
  };
}
