/**
 * One node in a process, whose observation (metrics and audit log) is switched on by the signal SIGUSR2 and off by SIGHUP. The node has
 * two Express apps: one is wired as a node that is observed, the other as a node that is not. Each request goes to the app that is switched
 * on, so both apps share the machine, the store, the enclave, the connections and the compiled code.
 */
import process from 'node:process';
import { exitWithParent } from '../src/cli/exit-with-parent.ts';
import { readConfig } from '../src/config/read-config.ts';
import { createApp, listenerOf, type AppModules } from '../src/http/app.ts';
import { measureRequests } from '../src/http/measure-requests.ts';
import { messageClassesOf } from '../src/http/message-classes.ts';
import { listen } from '../src/http/server.ts';
import { connectNode } from '../src/node/connect-node.ts';
import { createLog } from '../src/observe/log.ts';
import { systemClock } from '../src/system/system.ts';

let observing = true;
process.on('SIGUSR2', () => {
  observing = true;
});
process.on('SIGHUP', () => {
  observing = false;
});

exitWithParent(() => process.exit());
const read = readConfig(process.env);
if (!read.ok) throw new Error(read.problems.join('; '));
const log = createLog({ level: read.config.logLevel, stream: process.stderr }, { clock: systemClock });
const { clock, node, odyn, metered } = await connectNode(read.config, log, (error) => {
  throw error;
});
if (metered === null) throw new Error('the node needs METRICS_TOKEN_SHA256');

// Both apps use the same enclave, so the metrics of its calls are switched on and off here.
const { meter } = metered;
const count = meter.enclaveEnded.bind(meter);
Object.assign(meter, {
  enclaveEnded: (...call: Parameters<typeof count>) => {
    if (observing) count(...call);
  },
});

const observedModules: AppModules = { ...node.appModules, metrics: metered.route, attester: odyn };
const { kms, sync } = observedModules;
const plainModules: AppModules = { ...observedModules, metrics: undefined, audit: null, kms: { ...kms, audit: null }, sync: { ...sync, audit: null } };
const observed = createApp(node.appOptions, observedModules);
const plain = createApp(node.appOptions, plainModules);
// The server makes all requests and responses with the same two classes (`message-classes.ts`), so both apps need the same prototypes.
plain.request = observed.request;
plain.response = observed.response;
const observedListener = listenerOf(observed);
const plainListener = listenerOf(plain);
const measure = measureRequests(meter, clock);
const doNothing = (): void => undefined;
const { host, port } = read.config.bindAddress;
await listen({ host, port }, {
  // A request for the metrics may arrive before the signal that switches observation on. It is answered in any case.
  listener: (request, response) => (observing || request.url === '/metrics' ? observedListener : plainListener)(request, response),
  clock,
  messages: messageClassesOf(observed),
  measure: (request, response) => (observing ? measure(request, response) : doNothing),
});
await metered.start(node);
node.start();
