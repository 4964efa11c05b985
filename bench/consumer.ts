/** Consumers that send POSTs at a constant rate, none twice: `consumer.ts <by-list|by-name> <registry> <count> <rate>`. */
import { subscribe } from 'node:diagnostics_channel';
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { systemClock } from '../src/lifecycle/clock.ts';
import type { LifecycleRecord } from '../src/lifecycle/records.ts';
import { openRegistry } from '../src/registry/open.ts';
import type { Instance } from '../src/registry/registry.ts';
import type { Stop } from './fleet.ts';

const [mode = '', registryUrl = '', count = '1', rate = '1'] = process.argv.slice(2);

/** Interval at which each consumer reads the list again, in milliseconds, at a time of its own: it sees a change after 0 to 3 s. */
const REFRESH_MS = 3_000;

let sent = 0;
let failed = 0;
const reasons: Record<string, number> = {};

function post(agent: Agent, origin: string): Promise<void> {
  const body = `request ${++sent}`;
  return new Promise<void>((resolve) => {
    const fail = (reason: string): void => {
      failed++;
      reasons[reason] = (reasons[reason] ?? 0) + 1;
      resolve();
    };
    const call = request(`${origin}/work`, { method: 'POST', agent }, (response) => {
      text(response).then(
        (answer) =>
          response.statusCode === 200 && answer === body ? resolve() : fail(`status ${response.statusCode}`),
        () => fail('cut'),
      );
    });
    call.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    call.end(body);
  });
}

/** Picks the next URL: from an own list, or the service's name for the plugin. */
async function picker(): Promise<() => string | undefined> {
  if (mode === 'by-name') return () => 'http://provider';
  const registry = await openRegistry(new URL(registryUrl), { clock: systemClock, log: () => {} });
  let list: readonly Instance[] = await registry.instances('provider');
  let turn = Math.floor(Math.random() * 100);
  setTimeout(
    () => setInterval(async () => (list = await registry.instances('provider')), REFRESH_MS),
    Math.random() * REFRESH_MS,
  );
  return () => {
    const instance = list[turn++ % Math.max(1, list.length)];
    return instance && `http://${instance.host}:${instance.port}`;
  };
}

/** GoAways: the port of the instance, when it arrived and how long its ack took, in milliseconds. */
const goaways: { readonly port: number; readonly at: number; readonly ackMs: number }[] = [];
/** When the last request to each port began, even after its instance was isolated. */
const lastRequest = new Map<number, number>();
let arrived = 0;

subscribe('http.server.request.start', (message) => {
  const { request: received } = message as { request: IncomingMessage };
  if (received.url === '/lossless/goaway') arrived = performance.now();
});
subscribe('lossless:record', (message) => {
  const record = message as LifecycleRecord;
  if (record.kind !== 'started' || record.work !== 'consumer.refresh') return;
  const port = Number(record.facts.providerAddress?.split(':').at(-1));
  goaways.push({ port, at: arrived, ackMs: performance.now() - arrived });
});
subscribe('http.client.request.start', (message) => {
  const { socket } = (message as { request: ClientRequest }).request;
  const at = performance.now();
  const keep = (): void => void lastRequest.set(socket?.remotePort ?? 0, at);
  // A socket has no remote port before it is connected.
  if (socket?.connecting) socket.once('connect', keep);
  else keep();
});

/** For each GoAway: milliseconds from its arrival to its ack, and to the last request to that instance. */
function stops(): readonly Stop[] {
  return goaways.map(({ port, at, ackMs }) => ({
    ackMs,
    lastRequestMs: Math.max(0, (lastRequest.get(port) ?? at) - at),
  }));
}

for (let consumer = 0; consumer < Number(count); consumer++) {
  const agent = new Agent({ keepAlive: true });
  const pick = await picker();
  const period = 1_000 / Number(rate);
  setTimeout(() => setInterval(() => void post(agent, pick() ?? 'http://127.0.0.1:1'), period), Math.random() * period);
}

process.on('message', () => process.send?.({ sent, failed, reasons, stops: stops() }));
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
