import { systemClock } from '../src/lifecycle/clock.ts';
import { openRegistry } from '../src/registry/open.ts';
import { Child } from '../test/support/process/child.ts';
import { registryIn } from '../test/support/process/plugin-env.ts';
import { ScratchFolder } from '../test/support/scratch-folder.ts';
import { pause, until } from '../test/support/until.ts';
import { pluginEnvironment } from './fleet.ts';
import { type Benchmark, ms, quantile } from './row.ts';

const WARM = 3;
const COLD_REQUESTS = 50;
const COLD_MS = 100;
const RATE = 100;
const WARMUP_MS = 15_000;

const PROVIDER = new URL('cold-provider.ts', import.meta.url);
const CONSUMER = new URL('timed-consumer.ts', import.meta.url);

/** Measures latencies of the whole fleet while a cold instance warms up. */
async function joinCold(warmupMs: number): Promise<readonly number[]> {
  const folder = new ScratchFolder();
  const registry = await openRegistry(new URL(registryIn(folder.path)), { clock: systemClock, log: () => {} });
  const children: Child[] = [];
  const start = (name: string, file: URL, args: readonly number[]): Child => {
    const env = pluginEnvironment(name, folder.path, {
      LOSSLESS_LOG_LEVEL: 'silent',
      LOSSLESS_WARMUP_MS: `${warmupMs}`,
    });
    const child = Child.node(file, { args, env, ipc: true });
    children.push(child);
    return child;
  };
  const registered = async (count: number): Promise<void> => {
    await until(async () => (await registry.instances('provider')).length >= count);
  };
  const answer = async (child: Child): Promise<readonly number[]> => {
    const told = child.receives<{ taken: readonly number[] }>();
    child.send('count');
    return (await told).taken;
  };
  try {
    for (let n = 0; n < WARM; n++) start('provider', PROVIDER, [0, 0]);
    await registered(WARM);
    // The first instances are past their own warm-up then.
    await pause(warmupMs + 1_000);
    const consumer = start('consumer', CONSUMER, [RATE]);
    await pause(3_000);
    await answer(consumer);
    start('provider', PROVIDER, [COLD_REQUESTS, COLD_MS]);
    await registered(WARM + 1);
    await pause(WARMUP_MS);
    return await answer(consumer);
  } finally {
    await Promise.all(children.map((child) => child.destroy()));
    await registry.close();
    folder.remove();
  }
}

export const warmup: Benchmark = {
  title: 'A cold instance joins',
  how: `${WARM} warm instances and a cold one get ${RATE} requests/s. The first ${COLD_REQUESTS} requests of the cold instance take ${COLD_MS} ms each, one after the other. The table gives the latencies of all requests in the ${WARMUP_MS / 1_000} s after the cold instance registers, with a warm-up of that length and without.`,
  async run() {
    const without = await joinCold(0);
    const withIt = await joinCold(WARMUP_MS);
    const row = (what: string, share: number) => ({
      what,
      measured: `${ms(quantile(withIt, share))} with warm-up, ${ms(quantile(without, share))} without`,
      against: `ratio ${(quantile(withIt, share) / quantile(without, share)).toFixed(2)}`,
    });
    return [row('p50', 0.5), row('p99', 0.99), row('longest', 1)];
  },
};
