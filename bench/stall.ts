import { Agent, request } from 'node:http';
import { fakeConsumers } from '../test/support/fakes/fake-consumers.ts';
import { REGISTER } from '../test/support/process/plugin-env.ts';
import { startOneProvider } from './one-provider.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

/** Measures in the provider: the longest time between two turns of its event loop, reported on request and at its end. */
const WATCH = `data:text/javascript,${encodeURIComponent(`
  let last = performance.now(), longest = 0;
  setInterval(() => { const now = performance.now(); longest = Math.max(longest, now - last - 1); last = now; }, 1).unref();
  const tell = (name) => { process.stderr.write('stall ' + name + ' ' + longest.toFixed(1) + '\\n'); longest = 0; };
  setTimeout(() => { longest = 0; setTimeout(() => tell('before'), 2000).unref(); }, 1500).unref();
  process.on('SIGTERM', () => process.exit());
  process.on('exit', () => tell('offline'));
`)}`;

const RUNS = 5;

async function measure(): Promise<{ readonly before: number; readonly offline: number }> {
  const provider = await startOneProvider({
    LOSSLESS_HOLD_MS: '0',
    NODE_OPTIONS: `--import=${REGISTER} --import=${WATCH}`,
  });
  const agent = new Agent({ keepAlive: true });
  const load = setInterval(() => {
    const call = request(
      { port: provider.port, host: '127.0.0.1', method: 'POST', agent, headers: { 'user-agent': 'kube-probe/bench' } },
      (response) => response.resume(),
    );
    call.on('error', () => {});
    call.end('x');
  }, 4);
  const consumers = await fakeConsumers(provider.port, new Array(20).fill('answers'));
  try {
    await provider.child.sees(/stall before/);
    setTimeout(() => clearInterval(load), 100);
    await provider.leave();
    const told = (name: string): number =>
      Number(new RegExp(`stall ${name} ([\\d.]+)`).exec(provider.child.stderr)?.[1] ?? Number.NaN);
    return { before: told('before'), offline: told('offline') };
  } finally {
    clearInterval(load);
    agent.destroy();
    consumers.close();
    await provider.close();
  }
}

export const stall: Benchmark = {
  title: 'Longest event-loop stall of an offline',
  how: `20 consumers send a server 250 requests a second. The table gives the longest gap between two turns of the server's event loop in the two seconds before the signal, and from the signal to the exit. Median of ${RUNS} runs.`,
  async run() {
    const runs = [];
    for (let run = 0; run < RUNS; run++) runs.push(await measure());
    const before = quantile(
      runs.map((each) => each.before),
      0.5,
    );
    const offline = quantile(
      runs.map((each) => each.offline),
      0.5,
    );
    const rows: Row[] = [
      {
        what: 'longest stall',
        measured: `${ms(before)} before, ${ms(offline)} during the offline`,
        against: reached(offline - before <= 30, 'adds ≤ 30 ms'),
      },
    ];
    return rows;
  },
};
