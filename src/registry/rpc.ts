/**
 * Calls the chain's RPC in round trips. A trip is a set of calls that do not wait for each other's answers. `rpc-caller.ts` retries
 * each call separately, and stops when the signal of the trip is aborted. A DependencyError contains none of the RPC's own texts.
 */
import { createClient, custom, publicActions, type PublicActions } from 'viem';
import { malformedAnswer } from '../domain/dependency-failures.ts';
import { ExpectedError, InvariantError } from '../domain/errors.ts';
import { dependencyIn } from '../domain/failure-facts.ts';
import { RpcCaller, type IsAnswer, type RpcCallerModules, type RpcCallerOptions } from './rpc-caller.ts';
import { LastViews } from './last-views.ts';
import { rpcErrorIn, Views, type MulticallSupport } from './views.ts';

export interface RpcModules extends RpcCallerModules {
  /** Called once for each round trip. For measurements. */
  readonly onRoundTrip?: () => void;
}

/** The clients through which one trip makes its calls. */
export interface RpcTrip {
  readonly client: PublicActions;
  readonly views: Views;
}

export class Rpc {
  readonly #caller: RpcCaller;
  readonly #modules: RpcModules;
  readonly #support: MulticallSupport = { hasMulticall3: false, refusesDeployless: false };
  readonly #lastViews = new LastViews();

  constructor(options: RpcCallerOptions, modules: RpcModules) {
    this.#caller = new RpcCaller(options, modules);
    this.#modules = modules;
  }

  /** `host:port`, for error messages. */
  get endpoint(): string {
    return this.#caller.endpoint;
  }

  /**
   * One round trip.
   * @param isAnswer which RPC errors count as answers in this trip, besides reverts
   * @throws DependencyError when the RPC cannot be read or its answer cannot be decoded; viem's error when the answer is an error
   */
  async trip<T>(signal: AbortSignal, work: (trip: RpcTrip) => Promise<T>, isAnswer?: IsAnswer): Promise<T> {
    this.#modules.onRoundTrip?.();
    // Each trip has its own client, because viem's actions accept no signal. `createPublicClient` would copy all actions for each trip.
    const client = createClient({
      cacheTime: 0,
      // A contract must not send this node to a URL of its choice (EIP-3668).
      ccipRead: false,
      transport: custom(
        { request: ({ method, params }: { method: string; params?: unknown }) => this.#caller.call(method, params ?? [], signal, isAnswer) },
        { retryCount: 0 },
      ),
    });
    try {
      return await work({ client: publicActions(client), views: new Views(client, this.#support, this.#lastViews) });
    } catch (error) {
      const failed = dependencyIn(error);
      if (failed !== null) throw failed;
      // This is a revert, an RPC error that counts as an answer, or an error that our own code threw.
      if (error instanceof ExpectedError || error instanceof InvariantError || rpcErrorIn(error) !== null) throw error;
      const call = { dependency: 'chain', endpoint: this.endpoint, call: 'a trip' } as const;
      throw malformedAnswer(call, 'gave an answer that cannot be used', error);
    }
  }
}
