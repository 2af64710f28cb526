/** Decides whether an app instance may call this node (protocol.md §3), from the registry records of the instance. Pure. */
import { toAppId, type AppId } from '../domain/ids.ts';
import type { AppRecord } from '../domain/membership.ts';

export type AppAuthorization =
  | { readonly authorized: true; readonly appId: AppId }
  | { readonly authorized: false; readonly why: string };

function no(why: string): AppAuthorization {
  return { authorized: false, why };
}

export function authorizeApp({ instance, app, version }: AppRecord): AppAuthorization {
  if (instance.id === 0n) return no('the wallet is not a registered instance');
  if (instance.status !== 'ACTIVE') return no('the instance is not active');
  if (!instance.zkVerified) return no('the instance is not zkVerified');
  if (app === null || app.id !== instance.appId || app.status !== 'ACTIVE') return no('the app is not active');
  if (version === null || version.id !== instance.versionId) return no('the version is not known');
  if (version.status !== 'ENROLLED' && version.status !== 'DEPRECATED') return no('the version is not enrolled');
  const appId = toAppId(instance.appId);
  // App 0 holds the cluster's own keys. An id out of range is refused, never truncated (§9.15).
  if (appId === null || appId === 0) return no('the app id is out of range');
  return { authorized: true, appId };
}
