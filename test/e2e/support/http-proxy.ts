/** Imitates the platform's egress with a real HTTP proxy (protocol.md §7). It records all requests, and it alone resolves `*.kms.test`. */
import type { lookup } from 'node:dns';
import { RequestError, Server } from 'proxy-chain';

/** The proxy resolves all names in this domain to this machine. Nothing else can resolve them. */
const TEST_DOMAIN = '.kms.test';

export interface ProxiedRequest {
  /** `forward`: an HTTP request with an absolute URL. `tunnel`: CONNECT. */
  readonly kind: 'forward' | 'tunnel';
  readonly host: string;
  readonly port: number;
}

export class HttpProxy {
  readonly seen: ProxiedRequest[] = [];
  readonly #server: Server;
  readonly #cut = new Set<string>();

  private constructor() {
    this.#server = new Server({
      port: 0,
      host: '127.0.0.1',
      prepareRequestFunction: ({ hostname, port, isHttp }) => {
        this.seen.push({ kind: isHttp ? 'forward' : 'tunnel', host: hostname, port });
        if (this.#cut.has(hostname)) throw new RequestError('this host cannot be reached', 503);
        return { dnsLookup: resolveHere };
      },
    });
  }

  static async start(): Promise<HttpProxy> {
    const proxy = new HttpProxy();
    await proxy.#server.listen();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Each distinct `host:port` that has been requested. */
  targets(): ReadonlySet<string> {
    return new Set(this.seen.map(({ host, port }) => `${host}:${port}`));
  }

  /** Refuses requests for a host until `mend` is called. */
  cut(host: string): void {
    this.#cut.add(host);
  }

  mend(host: string): void {
    this.#cut.delete(host);
  }

  async close(): Promise<void> {
    await this.#server.close(true);
  }
}

/** Resolves `localhost` and the names in the test domain to this machine, and fails for all other names. It never asks a name server. */
const resolveHere = ((host: string, options: { readonly all?: boolean }, callback: (...answer: unknown[]) => void) => {
  const here = host === 'localhost' || host.endsWith(TEST_DOMAIN);
  if (!here) callback(new Error(`${host} is not known here`));
  else if (options.all === true) callback(null, [{ address: '127.0.0.1', family: 4 }]);
  else callback(null, '127.0.0.1', 4);
}) as typeof lookup;
