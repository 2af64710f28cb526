/** A survey asks all nodes of a cluster at the same time and ends at one common timeout. A silent node does not delay the others. */
import { describe, expect, test } from '@jest/globals';
import { silenceOf, takeSurvey, type SurveyOptions } from '../../../../src/cli/status/survey.ts';
import { DependencyError } from '../../../../src/domain/errors.ts';
import type { Wallet } from '../../../../src/domain/ids.ts';
import type { Transport, TransportRequest } from '../../../../src/domain/ports.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const TIMEOUT_MS = 3_000;
const OPTIONS: SurveyOptions = { urls: ['http://a'], known: [], discover: true, timeoutMs: TIMEOUT_MS, maxNodes: 10 };
const wallet = (name: string): Wallet => `0x${Buffer.from(name).toString('hex').padStart(40, '0')}` as Wallet;

interface Answers {
  /** The answer for each URL: an object, an error to throw, or `hang`, which means that no answer arrives before the timeout. */
  readonly [url: string]: unknown;
}

function status(name: string): object {
  return { node: { service_available: true, tee_wallet: wallet(name) } };
}

function list(...names: string[]): object {
  return { operators: names.map((name) => ({ operator: wallet(name), instance: { instance_url: `http://${name}` } })) };
}

/** A network with a clock that the test advances. */
class Network implements Transport {
  readonly clock = new ManualClock();
  readonly requests: TransportRequest[] = [];
  readonly #answers: Answers;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  async request(request: TransportRequest) {
    this.requests.push(request);
    const answer = this.#answers[request.url] ?? new DependencyError('peer', 'unreachable', '');
    if (answer instanceof Error) throw answer;
    if (answer === 'hang') {
      const { promise, reject } = Promise.withResolvers<never>();
      this.clock.setTimeout(() => reject(new DependencyError('peer', 'timeout', '')), request.timeoutMs);
      return promise;
    }
    const code = typeof answer === 'number' ? answer : 200;
    return { status: code, headers: {}, body: Buffer.from(JSON.stringify(answer)) };
  }

  /** @param advanceMs the time that passes while the survey is running */
  async survey(options: Partial<SurveyOptions> = {}, advanceMs = 0) {
    const taken = takeSurvey({ ...OPTIONS, ...options }, { transport: this, clock: this.clock }, new AbortController().signal);
    await this.clock.advance(advanceMs);
    return taken;
  }

  get asked(): readonly string[] {
    return this.requests.map(({ url }) => url);
  }
}

const seen = ({ nodes }: Awaited<ReturnType<typeof takeSurvey>>) => nodes.map(({ url, silence }) => `${url} ${silence ?? 'answers'}`);

describe('a survey', () => {
  test('finds all members from one URL and asks each once', async () => {
    const network = new Network({ 'http://a/status': status('a'), 'http://a/nodes': list('a', 'b', 'c'), 'http://b/status': status('b'), 'http://c/status': status('c') });
    const survey = await network.survey();
    expect(seen(survey)).toEqual(['http://a answers', 'http://b answers', 'http://c answers']);
    expect(survey.nodes.map(({ listedWallet }) => listedWallet)).toEqual(['a', 'b', 'c'].map(wallet));
    expect([...network.asked].sort()).toEqual(['http://a/nodes', 'http://a/status', 'http://b/status', 'http://c/status']);
  });

  test('reports what went wrong for each node without a good answer', async () => {
    const refused = new DependencyError('peer', 'unreachable', '');
    refused.cause = Object.assign(new Error(), { code: 'ECONNREFUSED' });
    const network = new Network({
      'http://a/status': status('a'),
      'http://a/nodes': list('a', 'b', 'c', 'd', 'e', 'f'),
      'http://b/status': refused,
      'http://c/status': 502,
      'http://d/status': { hello: 'world' },
      'http://e/status': new DependencyError('peer', 'too_large', ''),
    });
    expect(seen(await network.survey())).toEqual([
      'http://a answers',
      'http://b connection refused',
      'http://c answered 502',
      'http://d did not answer with a status',
      'http://e answer too large',
      'http://f cannot be reached',
    ]);
  });

  test('asks the members that a node lists, even when another node hangs, and ends at the timeout', async () => {
    const network = new Network({
      ...{ 'http://dead/status': 'hang', 'http://dead/nodes': 'hang', 'http://b/status': 'hang' },
      ...{ 'http://a/status': status('a'), 'http://a/nodes': list('a', 'b', 'c'), 'http://c/status': status('c') },
    });
    const taken = network.survey({ urls: ['http://dead', 'http://a'] }, TIMEOUT_MS);
    expect(seen(await taken)).toEqual(['http://dead no answer within 3 s', 'http://a answers', 'http://b no answer within 3 s', 'http://c answers']);
    for (const { timeoutMs } of network.requests) expect(timeoutMs).toBeLessThanOrEqual(TIMEOUT_MS);
  });

  test('waits only until the common timeout, even for a member that it discovers late', async () => {
    const network = new Network({ 'http://a/status': status('a'), 'http://b/status': 'hang' });
    const late: Transport = {
      request: async (request) => {
        if (request.url !== 'http://a/nodes') return network.request(request);
        const { promise, resolve } = Promise.withResolvers<undefined>();
        network.clock.setTimeout(() => resolve(undefined), 2_000);
        await promise;
        return { status: 200, headers: {}, body: Buffer.from(JSON.stringify(list('a', 'b'))) };
      },
    };
    const taken = takeSurvey(OPTIONS, { transport: late, clock: network.clock }, new AbortController().signal);
    await network.clock.advance(TIMEOUT_MS);
    expect(seen(await taken)).toEqual(['http://a answers', 'http://b no answer within 3 s']);
    expect(network.requests.find(({ url }) => url === 'http://b/status')!.timeoutMs).toBe(TIMEOUT_MS - 2_000);
  });

  test('asks no more than the maximum number of nodes, begins with those from the command line, and reports how many it left out', async () => {
    const names = Array.from({ length: 9 }, (_, index) => `n${index}`);
    const network = new Network({ 'http://a/status': status('a'), 'http://a/nodes': list(...names) });
    const survey = await network.survey({ maxNodes: 3 });
    expect(survey.nodes.map(({ url }) => url)).toEqual(['http://a', 'http://n0', 'http://n1']);
    expect(survey.leftOut).toBe(7);
  });

  test('asks only the nodes from the command line if discovery is off', async () => {
    const network = new Network({ 'http://a/status': status('a'), 'http://a/nodes': list('a', 'b') });
    expect(seen(await network.survey({ discover: false }))).toEqual(['http://a answers']);
    expect(network.asked).toEqual(['http://a/status']);
  });

  test('keeps the known members while the node from the command line does not answer, and forgets former members when that node answers', async () => {
    const known = ['a', 'b'].map((name) => ({ url: `http://${name}`, wallet: wallet(name) }));
    const dead = new Network({ 'http://b/status': status('b') });
    const survey = await dead.survey({ known });
    expect(seen(survey)).toEqual(['http://a cannot be reached', 'http://b answers']);
    expect(survey.members).toEqual(known);
    const living = new Network({ 'http://a/status': status('a'), 'http://a/nodes': list('a', 'c'), 'http://b/status': status('b'), 'http://c/status': status('c') });
    expect(seen(await living.survey({ known }))).toEqual(['http://a answers', 'http://c answers']);
  });

  test('shows a node once even if its URL on the command line differs from its registered URL', async () => {
    const network = new Network({ 'http://a/status': status('b'), 'http://a/nodes': list('b', 'c'), 'http://b/status': status('b'), 'http://c/status': status('c') });
    expect(seen(await network.survey())).toEqual(['http://a answers', 'http://c answers']);
  });

  test("still shows a member when another node reports that member's wallet as its own", async () => {
    const network = new Network({ 'http://a/status': status('a'), 'http://a/nodes': list('a', 'b', 'c'), 'http://b/status': status('c'), 'http://c/status': status('c') });
    expect(seen(await network.survey())).toEqual(['http://a answers', 'http://b answers', 'http://c answers']);
  });
});

test.each([
  ['ENOTFOUND', 'the host name is unknown'],
  ['CERT_HAS_EXPIRED', 'cannot be reached: CERT_HAS_EXPIRED'],
  ['\u001b[2J', 'cannot be reached: ?[2J'],
])('a cause with the code %j is shown as %j', (code, text) => {
  const error = new DependencyError('peer', 'unreachable', '');
  error.cause = { code };
  expect(silenceOf(error, 3_000)).toBe(text);
});
