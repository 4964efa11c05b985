import { Agent, createServer, request } from 'node:http';
import { systemClock } from '../src/lifecycle/clock.ts';
import { CONSUMER_HEADER, encodeConsumer } from '../src/protocol/header.ts';
import { openRegistry } from '../src/registry/open.ts';
import { anInstance } from '../test/support/an-instance.ts';
import { listening } from '../test/support/listening.ts';
import { Child } from '../test/support/process/child.ts';
import { registryIn } from '../test/support/process/plugin-env.ts';
import { newChildren } from '../test/support/process/use-children.ts';
import { ScratchFolder } from '../test/support/scratch-folder.ts';
import { pluginEnvironment } from './fleet.ts';
import { asShares, paired } from './paired.ts';
import { type Benchmark, type Row, reached } from './row.ts';
import { CONCURRENCY, slice } from './slice.ts';

const CLIENT = new URL('request-client.ts', import.meta.url);
const SERVER = new URL('request-server.ts', import.meta.url);

/** Processes of each kind, so that the compiled code of one does not decide. */
const PROCESSES = 3;
const PAIRS = 24;
const REQUESTS = 1_000;

/** Requests of each process before the measurement. */
const WARM_REQUESTS = 3_000;

const LOADS = [1, CONCURRENCY] as const;

/** Sends `requests` requests to or by one process. @returns its CPU microseconds per request */
type Run = (requests: number) => Promise<number>;

async function rowOf(what: string, without: readonly Run[], withPlugin: readonly Run[]): Promise<Row> {
  for (const run of [...without, ...withPlugin]) await run(WARM_REQUESTS);
  const of = (runs: readonly Run[]) => (pair: number) => (runs[pair % PROCESSES] as Run)(REQUESTS);
  const costs = await paired(PAIRS, of(without), of(withPlugin));
  const { added, base } = costs;
  return {
    what,
    measured: `${asShares(costs)}, ${added.toFixed(1)} µs on ${base.toFixed(0)} µs`,
    against: reached(added <= 0.03 * base, '≤ 3 %'),
  };
}

async function measured(): Promise<readonly Row[]> {
  const folder = new ScratchFolder();
  const children = newChildren();
  const registry = await openRegistry(new URL(registryIn(folder.path)), { clock: systemClock, log: () => {} });
  const own = createServer((asked, response) => asked.resume().on('end', () => response.end('ok')));
  const port = await listening(own);
  await registry.register(anInstance({ service: 'provider', port, registeredAt: 1 }));
  const agent = new Agent({ keepAlive: true });
  const start = (file: URL, args: readonly (string | number)[], env: Readonly<Record<string, string>>): Child =>
    children.add(Child.node(file, { args, env, ipc: true }));
  const withPlugin = (name: string) => pluginEnvironment(name, folder.path, { LOSSLESS_LOG_LEVEL: 'silent' });
  const each = <T>(make: () => T): readonly T[] => Array.from({ length: PROCESSES }, make);
  const rows: Row[] = [];
  try {
    for (const load of LOADS) {
      const servers = async (env: Readonly<Record<string, string>>): Promise<readonly Run[]> =>
        Promise.all(
          each(async () => {
            const child = start(SERVER, [], env);
            const { port: its } = await child.receives<{ port: number }>();
            return (requests: number) => servedBy(child, requests, () => post(its, agent), load);
          }),
        );
      rows.push(await rowOf(`provider, ${atATime(load)}`, await servers({}), await servers(withPlugin('served'))));
    }
    for (const client of ['fetch', 'undici', 'http.request'])
      for (const load of LOADS) {
        const clients = (url: string, env: Readonly<Record<string, string>>): readonly Run[] =>
          each(() => {
            const child = start(CLIENT, [client, url, load], env);
            return (requests: number) => sentBy(child, requests);
          });
        const [without, calling] = [
          clients(`http://127.0.0.1:${port}/`, {}),
          clients('http://provider/', withPlugin('own')),
        ];
        rows.push(await rowOf(`consumer, \`${client}\`, ${atATime(load)}`, without, calling));
      }
    return rows;
  } finally {
    await children.destroy();
    agent.destroy();
    own.close().closeAllConnections();
    await registry.close();
    folder.remove();
  }
}

function atATime(load: number): string {
  return load === 1 ? 'one at a time' : `${load} at a time`;
}

async function servedBy(child: Child, requests: number, one: () => Promise<void>, load: number): Promise<number> {
  const used = async (): Promise<number> => {
    const answer = child.receives<{ readonly µs: number }>();
    child.send('used');
    return (await answer).µs;
  };
  const begun = await used();
  await slice(requests, one, load);
  return ((await used()) - begun) / requests;
}

async function sentBy(child: Child, requests: number): Promise<number> {
  const answer = child.receives<{ readonly µs: number }>();
  child.send({ requests });
  return (await answer).µs;
}

/** The header of a consumer with the plugin, so that the provider knows it. */
const HEADER = encodeConsumer({ service: 'consumer', instanceId: 'consumer-1', generation: 1, port: 1 });

function post(port: number, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, agent, method: 'POST', headers: { [CONSUMER_HEADER]: HEADER } }, (response) =>
      response.resume().on('end', resolve),
    )
      .on('error', reject)
      .end('x');
  });
}

export const requests: Benchmark = {
  title: 'CPU cost per request of whole processes',
  how: `User and system time of a process that serves or sends POSTs, with the plugin and without. This time includes timers, garbage collection and compiler; the section above leaves them out, because it adds the hooks to a running process. ${PROCESSES} processes of each kind; ${PAIRS} alternating pairs of ${REQUESTS} requests after ${WARM_REQUESTS}. The table gives the median difference, with the 95 % interval of that median. The client of the provider sends the header of a consumer; the consumer calls a service by name, against the same server by address. This is the cost of a whole process; the section above measures the hooks alone.`,
  run: measured,
};
