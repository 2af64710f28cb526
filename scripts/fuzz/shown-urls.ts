/**
 * Tests settings whose values are URLs, in all malformed forms that a URL parser repairs. No line that a node shows may contain the login,
 * the query or, for the RPC, the path. A node must be able to start with every value that the configuration accepts.
 */
import fc from 'fast-check';
import { readConfig } from '../../src/config/read-config.ts';
import { failureFacts, failureLogFacts } from '../../src/domain/failure-facts.ts';
import type { Fetch } from '../../src/domain/ports.ts';
import { OdynClient } from '../../src/enclave/odyn-client.ts';
import { createRpcFetch } from '../../src/net/rpc-fetch.ts';
import { RpcCaller } from '../../src/registry/rpc-caller.ts';
import { expected } from './expected.ts';
import { InstantClock } from './instant-clock.ts';
import { target } from './target.ts';

/** These words are in the parts that must stay hidden. */
const LOGIN = 'hiddenlogin';
const PATH = 'hiddenpath';
const QUERY = 'hiddenquery';

/** Parts of a login. Some parts are halves of an encoded character, and a half alone is not valid. */
const LOGIN_PARTS = [LOGIN, LOGIN, '%', '%zz', '%40', '%3A', '%2F', '%25', '%C3', '%A9', '%e2%82', '%ac', '@', ':', 'é', '😀', '"', ' ', '\t', '\n'];
const loginPart = fc.array(fc.constantFrom(...LOGIN_PARTS), { maxLength: 3 }).map((parts) => parts.join(''));
const login = fc.oneof(fc.constant(''), loginPart.map((user) => `${user}@`), fc.tuple(loginPart, loginPart).map(([user, word]) => `${user}:${word}@`));

const url = fc
  .record({
    scheme: fc.constantFrom('http:', 'https:', 'HTTPS:', 'http', 'ht\ttp:', ''),
    slashes: fc.constantFrom('//', '//', '/', '', '///', '\\\\', '\\/', '/\t/'),
    login,
    host: fc.constantFrom('rpc.test', 'rpc.test:8545', '127.0.0.1:18545', '[::1]:1', 'RPC.test.', 'rpc.test:'),
    path: fc.constantFrom('', '/', `/v2/${PATH}`, `\\v2\\${PATH}`, `//${PATH}`, `/${PATH}@x`, `/%${PATH}/`, `/a:b@${PATH}`),
    query: fc.constantFrom('', '', `?key=${QUERY}`, `?${QUERY}@x`, '?'),
    space: fc.constantFrom('', '', ' ', '\n'),
  })
  .map(({ scheme, slashes, login: given, host, path, query, space }) => space + scheme + slashes + given + host + path + query);

const cases = fc.record({
  /** The variables that have the URL as their value. */
  variables: fc.uniqueArray(fc.constantFrom('NODE_URL', 'HELIOS_RPC_URL', 'ODYN_URL', 'HTTP_PROXY', 'HTTPS_PROXY', 'NODE_INSTANCE_URL'), { minLength: 1, maxLength: 6 }),
  url,
  /** How the RPC answers. */
  answer: fc.constantFrom('no answer', 'redirect', 'error', 'no JSON'),
});

/** @throws Error when the shown text contains one of the hidden words */
function mustHide(what: string, shown: string, hidden: readonly string[]): void {
  const found = hidden.find((word) => shown.toLowerCase().includes(word));
  if (found !== undefined) throw new Error(`${what} shows ${found}: ${shown}`);
}

function fetchWith(answer: string, nodeUrl: string): Fetch {
  return async (asked) => {
    // The login is sent in a header, so the URL must not contain it.
    mustHide('the URL of a request', asked, [LOGIN]);
    if (answer === 'no answer') throw new TypeError(`cannot fetch ${nodeUrl}`);
    const status = answer === 'redirect' ? 301 : 200;
    const text = answer === 'error' ? JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: -32_000, message: nodeUrl } }) : nodeUrl;
    return { status, headers: { get: (name: string) => (name === 'location' ? nodeUrl : null) }, body: null, text: async () => text };
  };
}

async function shownFailure(nodeUrl: string, answer: string): Promise<string> {
  const rpc = new RpcCaller({ url: nodeUrl }, { clock: new InstantClock(), fetch: fetchWith(answer, nodeUrl) });
  try {
    await rpc.call('eth_chainId', [], new AbortController().signal);
    return '';
  } catch (error) {
    return JSON.stringify([failureLogFacts(failureFacts(error)), rpc.endpoint]);
  }
}

export const shownUrls = target({
  name: 'shown-urls',
  cases,
  batch: 500,
  async start() {
    return {
      async check({ variables, url: given, answer }) {
        const read = readConfig(Object.fromEntries(variables.map((variable) => [variable, given])));
        if (!read.ok) {
          for (const problem of read.problems) mustHide('a problem', problem, [LOGIN, PATH, QUERY]);
          return;
        }
        for (const [variable, shown] of Object.entries(read.effective)) {
          // The node's own URL is public: it cannot contain a login.
          if (variable !== 'NODE_INSTANCE_URL') mustHide(variable, shown, variable === 'NODE_URL' ? [LOGIN, PATH, QUERY] : [LOGIN, QUERY]);
          else mustHide(variable, shown, [LOGIN]);
        }
        const { nodeUrl, odynUrl, httpProxy, httpsProxy, noProxy } = read.config;
        await expected('starting with these URLs', async () => {
          await createRpcFetch({ httpProxy, httpsProxy, noProxy }).close();
          await new OdynClient({ baseUrl: odynUrl }, { clock: new InstantClock() }).close();
        });
        mustHide('a failure of the RPC', await shownFailure(nodeUrl, answer), [LOGIN, PATH, QUERY]);
      },
      close: async () => undefined,
    };
  },
});
