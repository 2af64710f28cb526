/** Reads the records that authorize an app (protocol.md §3) in two round trips: first the instance, then the app and the version. */
import type { Hex } from 'viem';
import { DependencyError } from '../domain/errors.ts';
import type { Wallet } from '../domain/ids.ts';
import type { AppRecord } from '../domain/membership.ts';
import { novaAppRegistryAbi } from './abi.ts';
import { toApp, toInstance, toVersion } from './records.ts';
import type { Rpc } from './rpc.ts';
import type { ViewCall, ViewResult } from './view-call.ts';

export interface AppReader {
  /** @throws DependencyError when the chain cannot be read */
  read(wallet: Wallet, signal: AbortSignal): Promise<AppRecord>;
}

export function createAppReader(options: { readonly novaAppRegistry: Wallet }, modules: { readonly rpc: Rpc }): AppReader {
  const { rpc } = modules;
  const call = (functionName: string, args: readonly unknown[]): ViewCall => ({
    address: options.novaAppRegistry as Hex,
    abi: novaAppRegistryAbi,
    functionName,
    args,
  });
  const valueOf = (result: ViewResult | undefined): unknown => {
    if (result?.ok !== true) throw new DependencyError('chain', 'malformed', 'the registry cannot be read');
    return result.value;
  };
  return {
    async read(wallet, signal) {
      const found = await rpc.trip(signal, ({ views }) => views.readOne(call('getInstanceByWallet', [wallet])));
      const instance = toInstance(valueOf(found) as Parameters<typeof toInstance>[0]);
      if (instance.id === 0n) return { instance, app: null, version: null };
      const [app, version] = await rpc.trip(signal, ({ views }) =>
        Promise.all([
          views.readOne(call('getApp', [instance.appId])),
          views.readOne(call('getVersion', [instance.appId, instance.versionId])),
        ]),
      );
      return {
        instance,
        app: toApp(valueOf(app) as Parameters<typeof toApp>[0]),
        version: toVersion(valueOf(version) as Parameters<typeof toVersion>[0]),
      };
    },
  };
}
