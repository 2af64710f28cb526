/** What every route of an app shares (protocol.md §3): authentication, envelope both ways, answer signature. */
import type { AppId } from '../domain/ids.ts';
import { RefusalError } from '../domain/errors.ts';
import type { Identity } from '../domain/ports.ts';
import { ok, type Exchange, type Reply } from './exchange.ts';
import { assertOpen } from './gate.ts';
import type { HttpModules, HttpOptions } from './modules.ts';
import { openBody, parseBody, sealAnswer, signAnswer } from './sealed-exchange.ts';

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
    // The proof needs the headers alone: whoever has none makes this node hold no body.
    const caller = await modules.authenticator.app(exchange.headers, wallet);
    const body = parseBody(await exchange.readBody(options.maxRequestBodyBytes));
    const { inner, answerSignature } = await openBody(body, caller, wallet, modules.enclave);
    // The body may have taken two minutes to come.
    assertOpen('ready', modules.readiness());
    return reply(await sealAnswer(await handler(caller.appId, inner), caller, modules.enclave), answerSignature);
  };
}

/** The same for requests without a body. */
export function appQuery(modules: HttpModules, handler: (appId: AppId, exchange: Exchange) => object) {
  return async (exchange: Exchange): Promise<Reply> => {
    const { wallet } = knownIdentity(modules);
    const caller = await modules.authenticator.app(exchange.headers, wallet);
    assertOpen('ready', modules.readiness());
    const answer = handler(caller.appId, exchange);
    const [sealed, answerSignature] = await Promise.all([
      sealAnswer(answer, caller, modules.enclave),
      signAnswer(caller, wallet, modules.enclave),
    ]);
    return reply(sealed, answerSignature);
  };
}

function reply(sealed: object, answerSignature: string | null): Reply {
  return ok(sealed, answerSignature === null ? {} : { 'x-kms-response-signature': answerSignature });
}
