/** The way out of this machine, for commands: as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say, but never to this machine itself. */
import { readConfig } from '../config/read-config.ts';
import type { Config } from '../config/settings.ts';
import type { ProxySettings } from '../net/way-out.ts';
import { CommandError, EXIT } from './exit-codes.ts';

export const PROXY_VARIABLES = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy'];

/** A proxy elsewhere would find itself there. */
const OWN_HOSTS = 'localhost,127.0.0.1';

export function proxyOf({ httpProxy, httpsProxy, noProxy }: Pick<Config, 'httpProxy' | 'httpsProxy' | 'noProxy'>): ProxySettings {
  return { httpProxy, httpsProxy, noProxy: noProxy === '' ? OWN_HOSTS : `${noProxy},${OWN_HOSTS}` };
}

/** Of these variables alone. @throws CommandError */
export function readProxy(environment: NodeJS.ProcessEnv): ProxySettings {
  const read = readConfig(Object.fromEntries(PROXY_VARIABLES.map((name) => [name, environment[name]])));
  if (!read.ok) throw new CommandError(read.problems[0]!, EXIT.usage);
  return proxyOf(read.config);
}
