import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { systemClock } from '../src/lifecycle/clock.ts';
import { openRegistry } from '../src/registry/open.ts';
import { pause, pluginEnvironment } from './fleet.ts';
import { type Benchmark, ms, quantile } from './row.ts';

const WARM = 3;
const COLD_REQUESTS = 50;
const COLD_MS = 100;
const RATE = 100;
const WARMUP_MS = 15_000;

const PROVIDER = fileURLToPath(new URL('cold-provider.ts', import.meta.url));
const CONSUMER = fileURLToPath(new URL('timed-consumer.ts', import.meta.url));

/** Latencies of the whole fleet while a cold instance warms up. */
async function joinCold(warmupMs: number): Promise<readonly number[]> {
  const directory = mkdtempSync(join(tmpdir(), 'lossless-bench-'));
  const registryUrl = pathToFileURL(join(directory, 'registry')).href;
  const registry = await openRegistry(new URL(registryUrl), { clock: systemClock, log: () => {} });
  const children: ChildProcess[] = [];
  const start = (name: string, file: string, args: readonly (string | number)[]): ChildProcess => {
    const env = pluginEnvironment(name, registryUrl, directory, {
      LOSSLESS_LOG_LEVEL: 'silent',
      LOSSLESS_WARMUP_MS: `${warmupMs}`,
    });
    const child = fork(file, args.map(String), { env });
    children.push(child);
    return child;
  };
  const registered = async (count: number): Promise<void> => {
    while ((await registry.instances('provider')).length < count) await pause(20);
  };
  const answer = async (child: ChildProcess): Promise<readonly number[]> => {
    child.send('count');
    const [{ taken }] = (await once(child, 'message')) as [{ taken: readonly number[] }];
    return taken;
  };
  try {
    for (let n = 0; n < WARM; n++) start('provider', PROVIDER, [0, 0]);
    await registered(WARM);
    // The first ones are past their own warm-up.
    await pause(warmupMs + 1_000);
    const consumer = start('consumer', CONSUMER, [RATE]);
    await pause(3_000);
    await answer(consumer);
    start('provider', PROVIDER, [COLD_REQUESTS, COLD_MS]);
    await registered(WARM + 1);
    await pause(WARMUP_MS);
    return await answer(consumer);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await registry.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

export const warmup: Benchmark = {
  title: 'A cold instance joins',
  how: `${WARM} warm instances and one whose first ${COLD_REQUESTS} requests take ${COLD_MS} ms each, one after the other, at ${RATE} requests/s; latencies of all requests in the ${WARMUP_MS / 1_000} s after it is registered, with a warm-up of that length and without.`,
  async run() {
    const without = await joinCold(0);
    const withIt = await joinCold(WARMUP_MS);
    const row = (what: string, share: number) => ({
      what,
      measured: `${ms(quantile(withIt, share))} with warm-up, ${ms(quantile(without, share))} without`,
      against: `${(quantile(withIt, share) / quantile(without, share)).toFixed(2)} of it`,
    });
    return [row('p50', 0.5), row('p99', 0.99), row('longest', 1)];
  },
};
