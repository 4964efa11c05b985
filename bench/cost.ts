import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Consumer } from '../src/consumer/consumer.ts';
import { systemClock } from '../src/lifecycle/clock.ts';
import { decodeConsumer, encodeConsumer } from '../src/protocol/header.ts';
import { Callers } from '../src/provider/callers.ts';
import { Traffic } from '../src/provider/traffic.ts';
import { openRegistry } from '../src/registry/open.ts';
import { type Benchmark, quantile, type Row, reached } from './row.ts';

/** Requests of one slice; slices with and without the hook alternate, so that drift of the machine falls on both. */
const SLICE = 2_000;
const PAIRS = 40;
const CONCURRENCY = 16;

/** CPU microseconds per request of this process while `one` runs `SLICE` times. */
async function slice(one: () => Promise<void>): Promise<number> {
  const begun = process.cpuUsage();
  let left = SLICE;
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (left-- > 0) await one();
    }),
  );
  const { system, user } = process.cpuUsage(begun);
  return (user + system) / SLICE;
}

/** Differences of neighbouring slices; their median is robust against what else the machine does. */
async function paired(
  without: () => Promise<number>,
  withHook: () => Promise<number>,
): Promise<{ readonly base: number; readonly added: number; readonly spread: number }> {
  const differences: number[] = [];
  const bases: number[] = [];
  await without();
  await withHook();
  for (let pair = 0; pair < PAIRS; pair++) {
    const [first, second] = pair % 2 === 0 ? [without, withHook] : [withHook, without];
    const [a, b] = [await first(), await second()];
    const [base, hooked] = pair % 2 === 0 ? [a, b] : [b, a];
    bases.push(base);
    differences.push(hooked - base);
  }
  const added = quantile(differences, 0.5);
  const mean = differences.reduce((sum, each) => sum + each, 0) / PAIRS;
  const deviation = Math.sqrt(differences.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (PAIRS - 1));
  return { base: quantile(bases, 0.5), added, spread: (1.96 * deviation) / Math.sqrt(PAIRS) };
}

function row(what: string, { added, base, spread }: Awaited<ReturnType<typeof paired>>, target: number): Row {
  return {
    what,
    measured: `${added.toFixed(2)} ± ${spread.toFixed(2)} µs on ${base.toFixed(1)} µs (ratio ${((base + added) / base).toFixed(3)})`,
    against: reached(added - spread <= target, `≤ ${target} µs`),
  };
}

async function provider(): Promise<Row> {
  const server = createServer((_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const header = encodeConsumer({ service: 'consumer', instanceId: 'consumer-1', generation: 1, port: 1 });
  const traffic = new Traffic({
    clock: systemClock,
    callers: new Callers(systemClock),
    decode: decodeConsumer,
    onListen: () => {},
    onNewCaller: () => {},
  });
  const agent = new Agent({ keepAlive: true });
  const one = (): Promise<void> => get({ port, host: '127.0.0.1', agent, headers: { 'lossless-consumer': header } });
  const result = await paired(
    () => slice(one),
    async () => {
      traffic.start();
      const used = await slice(one);
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
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const registry = await openRegistry(new URL('memory:cost'), { clock: systemClock, log: () => {} });
  await registry.register({
    service: 'provider',
    instanceId: 'provider-1',
    generation: 1,
    host: '127.0.0.1',
    port,
    scheme: 'http',
    weight: 100,
    registeredAt: 1,
    metadata: {},
  });
  const header = encodeConsumer({ service: 'consumer', instanceId: 'consumer-1', generation: 1, port: 1 });
  const half = new Consumer({
    registry,
    clock: systemClock,
    log: () => {},
    header: async () => header,
    services: [],
    warmupMs: 0,
    warmupCurve: 2,
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
      await paired(
        () => slice(() => send(`http://127.0.0.1:${port}/`, direct)),
        () => slice(() => send('http://provider/', dispatcher)),
      ),
      2,
    ),
    row(
      'consumer, http.request',
      await paired(
        () => slice(() => get({ host: '127.0.0.1', port, agent, headers: { 'lossless-consumer': header } })),
        () => slice(() => get({ host: 'provider', port: 80, agent })),
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
  title: 'CPU cost per request',
  how: `Server and client in one process, ${CONCURRENCY} requests at a time; ${PAIRS} pairs of ${SLICE} requests with and without, alternating. Median difference of CPU time with the 95 % interval of its mean.`,
  run: async () => [await provider(), ...(await consumer())],
};
