import { readdirSync, readFileSync } from 'node:fs';
import { assess } from '../src/trace/model/verdict.ts';
import { Child } from '../test/support/process/child.ts';
import { type OneProvider, startOneProvider } from './one-provider.ts';
import { asShares, paired } from './paired.ts';
import { type Benchmark, ms, type Row, reached } from './row.ts';

const SIZES = [250, 1_000, 2_500, 9_000] as const;

/** Pairs of a loop and a fan-out of each size. */
const PAIRS = 3;

/** Of the time of the loop, and in milliseconds with a tenth of the consumers dead. */
const MOST_SHARE = 1.15;
const MOST_DEAD_MS = 3_000;

/** Longest time until all consumers of the largest size have called, in milliseconds. */
const STARTING_MS = 120_000;

/** Open files that the process of the most consumers needs: each has a control server and a connection. */
const OPEN_FILES = 2 * SIZES[3] + 1_000;

const BARE_LOOP = new URL('bare-loop.ts', import.meta.url);
const MANY_CONSUMERS = new URL('many-consumers.ts', import.meta.url);

/** Runs `work` while consumers in a process of their own hold connections to a provider, some of them dead by then. */
async function withConsumers<T>(port: number, count: number, dead: number, work: () => Promise<T>): Promise<T> {
  const consumers = Child.node(MANY_CONSUMERS, { args: [port, count, dead], ipc: true });
  try {
    await consumers.receives(undefined, STARTING_MS);
    return await work();
  } finally {
    await consumers.destroy();
  }
}

/** Milliseconds in which a bare loop tells `count` consumers. */
async function loop(count: number): Promise<number> {
  const provider = Child.node(BARE_LOOP, { ipc: true });
  try {
    const { port } = await provider.receives<{ port: number }>();
    return await withConsumers(port, count, 0, async () => {
      const ended = provider.receives<{ told: number; ms: number }>();
      provider.send('leave');
      const { told, ms } = await ended;
      if (told !== count) throw new Error(`the loop told ${told} of ${count} consumers`);
      return ms;
    });
  } finally {
    await provider.destroy();
  }
}

/** How an instance with the plugin told its consumers, as its trace says. */
interface Told {
  readonly acked: number;
  readonly notifyMs: number;
}

/** Lets an instance leave that `count` consumers have called, `dead` of them dead by then. */
export async function tell(count: number, dead = 0, watch = (_: OneProvider): void => {}): Promise<Told> {
  const provider = await startOneProvider({ LOSSLESS_HOLD_MS: '0' });
  try {
    return await withConsumers(provider.port, count, dead, async () => {
      watch(provider);
      const trace = await provider.leave();
      const notify = trace.spans.find((span) => span.name === 'lossless.notify');
      return { acked: assess(trace).acked, notifyMs: notify?.durationMs ?? Number.NaN };
    });
  } finally {
    await provider.close();
  }
}

/** The most memory, in MiB, and the most open files of the provider of one fan-out. */
async function peaks(count: number): Promise<{ readonly mebibytes: number; readonly files: number }> {
  let mebibytes = 0;
  let files = 0;
  let timer: NodeJS.Timeout | undefined;
  const look = (pid: number): void => {
    try {
      const [, kibibytes = 0] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
      mebibytes = Math.max(mebibytes, Number(kibibytes) / 1_024);
      files = Math.max(files, readdirSync(`/proc/${pid}/fd`).length);
    } catch {
      // It has ended.
    }
  };
  await tell(count, 0, ({ child }) => {
    timer = setInterval(() => look(child.pid), 20);
  });
  clearInterval(timer);
  return { mebibytes, files };
}

async function measure(count: number): Promise<readonly Row[]> {
  let acked = count;
  const times = await paired(
    PAIRS,
    () => loop(count),
    async () => {
      const told = await tell(count);
      acked = Math.min(acked, told.acked);
      return told.notifyMs;
    },
  );
  const share = 1 + times.added / times.base;
  const { files, mebibytes } = await peaks(count);
  const dead = await tell(count, count / 10);
  return [
    {
      what: `${count} consumers`,
      measured: `loop ${ms(times.base)}, plugin ${ms(times.base + times.added)}: ${share.toFixed(2)} of the loop, ${asShares(times)} more; ${acked} acked; at most ${mebibytes.toFixed(0)} MiB and ${files} open files`,
      against: reached(acked === count && share <= MOST_SHARE, `all acked, ≤ ${MOST_SHARE} of the loop`),
    },
    {
      what: `${count} consumers, 10 % dead`,
      measured: `${dead.acked} acked; done after ${ms(dead.notifyMs)}`,
      against: reached(dead.acked === 0.9 * count && dead.notifyMs <= MOST_DEAD_MS, '≤ 3 s in all'),
    },
  ];
}

/** @throws Error when a process may not open enough files; Node.js has raised the limit to the hard one by now */
function checkOpenFiles(): void {
  const [, found = ''] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  if (Number(found) < OPEN_FILES)
    throw new Error(
      `expected a limit of at least ${OPEN_FILES} open files, found ${found}: run ulimit -Hn ${OPEN_FILES}`,
    );
}

export const fanout: Benchmark = {
  title: 'GoAway fan-out beside a bare loop',
  how: `All consumers run in one process; each has a control server and an open connection to the provider. The loop stands for hand-written code in such a provider: it calls each consumer with \`request\` of undici, 256 at a time, and reads the answer, without spans, time-out or second attempt. The time of the plugin goes from the start of its notification to the end, as the trace tells; meanwhile the plugin also makes its spans and sends them to a collector on the same machine. ${PAIRS} alternating pairs: the table gives the median, and the difference within the pairs with its range. A run of its own measures memory and open files. Of the dead consumers half refuse while their connection is open, and half accept the call and never answer. The limit of open files must be ${OPEN_FILES}.`,
  async run(only) {
    checkOpenFiles();
    const rows: Row[] = [];
    for (const count of SIZES) if (`${count} consumers`.includes(only)) rows.push(...(await measure(count)));
    return rows;
  },
};
