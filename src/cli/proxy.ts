/** Reads the proxy settings for commands from HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Connections to this machine are always direct. */
import { readConfig } from '../config/read-config.ts';
import type { Config } from '../config/settings.ts';
import type { ProxySettings } from '../net/way-out.ts';
import { CommandError, EXIT } from './exit-codes.ts';

export const PROXY_VARIABLES = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy'];

/** A proxy on another machine would connect to itself for these names. */
const OWN_HOSTS = 'localhost,127.0.0.1';

export function proxyOf({ httpProxy, httpsProxy, noProxy }: Pick<Config, 'httpProxy' | 'httpsProxy' | 'noProxy'>): ProxySettings {
  return { httpProxy, httpsProxy, noProxy: noProxy === '' ? OWN_HOSTS : `${noProxy},${OWN_HOSTS}` };
}

/** Reads only the proxy variables. @throws CommandError */
export function readProxy(environment: NodeJS.ProcessEnv): ProxySettings {
  const read = readConfig(Object.fromEntries(PROXY_VARIABLES.map((name) => [name, environment[name]])));
  if (!read.ok) throw new CommandError(read.problems[0]!, EXIT.usage);
  return proxyOf(read.config);
}
