import { Agent, createServer, request } from 'node:http';
import { Consumer } from '../src/consumer/consumer.ts';
import { Guard } from '../src/guard.ts';
import { systemClock } from '../src/lifecycle/clock.ts';
import { decodeConsumer, encodeConsumer } from '../src/protocol/header.ts';
import { EntryWatch } from '../src/provider/entry/entry-watch.ts';
import { Callers } from '../src/provider/traffic/callers.ts';
import { Traffic } from '../src/provider/traffic/traffic.ts';
import { openRegistry } from '../src/registry/open.ts';
import { anInstance } from '../test/support/an-instance.ts';
import { listening } from '../test/support/listening.ts';
import { type Paired, paired } from './paired.ts';
import { type Benchmark, type Row, reached } from './row.ts';
import { CONCURRENCY, slice } from './slice.ts';

/** Slices with and without the hook alternate, so that drift of the machine affects both. */
interface Slices {
  readonly pairs: number;
  /** Requests of one slice. */
  readonly requests: number;
}

/** Subscribing to a channel makes the engine optimise its callers again, so slices that subscribe are long. */
const LONG: Slices = { pairs: 60, requests: 4_000 };
const SHORT: Slices = { pairs: 400, requests: 500 };

/** CPU microseconds of a request without the hook, and the share of the hook. */
async function measured(
  { pairs, requests }: Slices,
  without: (requests: number) => Promise<number>,
  withHook: (requests: number) => Promise<number>,
): Promise<Paired> {
  for (let warm = 0; warm < 10_000; warm += requests) {
    await without(requests);
    await withHook(requests);
  }
  return paired(
    pairs,
    () => without(requests),
    () => withHook(requests),
  );
}

function row(what: string, { added, base, low, high }: Paired, target: number): Row {
  return {
    what,
    measured: `${added.toFixed(2)} µs (${low.toFixed(2)} to ${high.toFixed(2)}) on ${base.toFixed(1)} µs, ratio ${((base + added) / base).toFixed(3)}`,
    against: reached(added <= target, `≤ ${target} µs`),
  };
}

async function provider(): Promise<Row> {
  const server = createServer((_request, response) => response.end('ok'));
  const port = await listening(server);
  const header = encodeConsumer({ service: 'consumer', instanceId: 'consumer-1', generation: 1, port: 1 });
  const entry = new EntryWatch({
    clock: systemClock,
    log: () => {},
    healthPaths: ['/health'],
    entryPorts: [],
    healthFailures: 3,
    keepAliveMs: undefined,
  });
  const traffic = new Traffic({
    ...entry.hooks,
    clock: systemClock,
    guard: new Guard(() => {}),
    callers: new Callers(systemClock),
    decode: decodeConsumer,
    isSelf: () => false,
    onListen: () => {},
    onNewCaller: () => {},
  });
  const agent = new Agent({ keepAlive: true });
  const one = (): Promise<void> => get({ port, host: '127.0.0.1', agent, headers: { 'lossless-consumer': header } });
  const result = await measured(
    LONG,
    (requests) => slice(requests, one),
    async (requests) => {
      traffic.start();
      const used = await slice(requests, one);
      traffic.stop();
      return used;
    },
  );
  agent.destroy();
  server.close();
  return row('provider, bare node:http server', result, 1);
}

async function consumer(): Promise<readonly Row[]> {
  const server = createServer((_request, response) => response.end('ok'));
  const port = await listening(server);
  const registry = await openRegistry(new URL('memory:cost'), { clock: systemClock, log: () => {} });
  await registry.register(anInstance({ service: 'provider', port, registeredAt: 1 }));
  const header = encodeConsumer({ service: 'consumer', instanceId: 'consumer-1', generation: 1, port: 1 });
  const half = new Consumer({
    registry,
    clock: systemClock,
    log: () => {},
    header: async () => header,
    services: [],
    warmupMs: 0,
  });
  const undici = await import('undici');
  const direct = new undici.Agent();
  half.install();
  const agent = new Agent({ keepAlive: true });
  const dispatcher = undici.getGlobalDispatcher();
  const send = async (origin: string, through: InstanceType<typeof undici.Dispatcher>): Promise<void> => {
    const { body } = await undici.request(origin, {
      method: 'POST',
      body: 'x',
      dispatcher: through,
      headers: origin.includes('provider') ? {} : { 'lossless-consumer': header },
    });
    await body.dump();
  };
  const rows = [
    row(
      'consumer, undici.request',
      await measured(
        SHORT,
        (requests) => slice(requests, () => send(`http://127.0.0.1:${port}/`, direct)),
        (requests) => slice(requests, () => send('http://provider/', dispatcher)),
      ),
      2,
    ),
    row(
      'consumer, http.request',
      await measured(
        SHORT,
        (requests) =>
          slice(requests, () => get({ host: '127.0.0.1', port, agent, headers: { 'lossless-consumer': header } })),
        (requests) => slice(requests, () => get({ host: 'provider', port: 80, agent })),
      ),
      2,
    ),
  ];
  agent.destroy();
  await direct.close();
  await half.uninstall();
  server.close();
  return rows;
}

function get(options: object): Promise<void> {
  return new Promise((resolve, reject) => {
    request({ ...options, method: 'POST', path: '/' }, (response) => response.resume().on('end', resolve))
      .on('error', reject)
      .end('x');
  });
}

export const cost: Benchmark = {
  title: 'CPU cost of the hooks, in one process',
  how: `Server and client run in one process, ${CONCURRENCY} requests at a time, in ${SHORT.pairs} alternating pairs of ${SHORT.requests} requests with the plugin and without (provider: ${LONG.pairs} pairs of ${LONG.requests}). The table gives the median difference of the CPU time of the whole process, with the 95 % interval of that median. This is the cost of the hooks alone; the next section measures whole processes.`,
  run: async () => [await provider(), ...(await consumer())],
};
