import { createServer } from 'node:http';
import { systemClock } from '../src/lifecycle/clock.ts';
import { openRegistry } from '../src/registry/open.ts';
import { anInstance } from '../test/support/an-instance.ts';
import { listening } from '../test/support/listening.ts';
import { entered } from '../test/support/process/announced.ts';
import { Child } from '../test/support/process/child.ts';
import { registryIn } from '../test/support/process/plugin-env.ts';
import { ScratchFolder } from '../test/support/scratch-folder.ts';
import { pluginEnvironment } from './fleet.ts';
import { type Paired, paired } from './paired.ts';
import { type Benchmark, quantile, type Row, reached } from './row.ts';

const PROGRAM = new URL('begin.cjs', import.meta.url);
const PAIRS = 15;

/** How long a process stays after it listens, or has its answer, in milliseconds: a start has ended by then. */
const STAY_MS = { provider: 1_000, consumer: 250 };

/** The report of one process. */
interface Told {
  readonly cpuMs: number;
  /** From the start of the process until it listened, or had its answer. */
  readonly ms: number;
}

interface Case {
  readonly what: string;
  readonly does: 'serve' | 'http.request' | 'fetch' | 'undici';
  /** Most milliseconds of CPU that the plugin may add. */
  readonly goal?: number;
  /** Whether the request goes to an address of a service whose list the plugin does not have. */
  readonly isElsewhere?: boolean;
}

const CASES: readonly Case[] = [
  { what: 'provider, until it is registered', does: 'serve', goal: 35 },
  { what: 'consumer, first `http.request` to a service', does: 'http.request', goal: 15 },
  { what: 'consumer, first `fetch` to a service', does: 'fetch', goal: 10 },
  { what: 'consumer, first request of undici to a service', does: 'undici' },
  { what: '`fetch` to an address outside the registry', does: 'fetch', isElsewhere: true },
];

async function told(child: Child): Promise<Told> {
  await child.ends();
  return JSON.parse(child.lines.at(-1) ?? '') as Told;
}

async function rowOf({ what, does, goal, isElsewhere = false }: Case): Promise<Row> {
  const folder = new ScratchFolder();
  const registry = await openRegistry(new URL(registryIn(folder.path)), { clock: systemClock, log: () => {} });
  // It is a collector too, which takes every trace.
  const server = createServer((_, response) => response.end('ok'));
  const port = await listening(server);
  await registry.register(anInstance({ service: 'provider', port, registeredAt: 1 }));
  const address = `http://127.0.0.1:${port}/`;
  const stay = does === 'serve' ? STAY_MS.provider : STAY_MS.consumer;
  const wall: { without: number[]; with: number[] } = { without: [], with: [] };
  const run = async (kind: 'without' | 'with'): Promise<number> => {
    const more = { LOSSLESS_STRICT: 'false', OTEL_SDK_DISABLED: 'false', OTEL_EXPORTER_OTLP_ENDPOINT: address };
    const env = kind === 'with' ? pluginEnvironment('own', folder.path, more) : {};
    const url = kind === 'with' && !isElsewhere ? 'http://provider/' : address;
    const child = Child.node(PROGRAM, { args: [does, url, stay], env });
    const [{ cpuMs, ms }] = await Promise.all([
      told(child),
      ...(kind === 'with' && does === 'serve' ? [entered(child, 'warming')] : []),
    ]);
    wall[kind].push(ms);
    return cpuMs;
  };
  try {
    await run('without');
    await run('with');
    const cpu = await paired(
      PAIRS,
      () => run('without'),
      () => run('with'),
    );
    const waits = wall.with.map((ms, n) => ms - (wall.without[n] ?? 0));
    return { what, measured: `${said(cpu)}; delay ${added(quantile(waits, 0.5))}`, against: against(cpu, goal) };
  } finally {
    server.close();
    await registry.close();
    folder.remove();
  }
}

function said({ added: more, base, low, high }: Paired): string {
  return `${added(more)} (${low.toFixed(0)} to ${high.toFixed(0)}) on ${base.toFixed(0)} ms`;
}

function added(ms: number): string {
  return `${ms < 0 ? '' : '+'}${ms.toFixed(0)} ms`;
}

function against({ added: more }: Paired, goal: number | undefined): string {
  return goal === undefined ? '' : reached(more <= goal, `≤ ${goal} ms`);
}

export const start: Benchmark = {
  title: 'CPU cost of a start',
  how: `Processes start, do one thing once and end, in ${PAIRS} alternating pairs with and without the plugin; they use a \`file:\` registry and send traces to a collector. The table first gives user and system time of the whole process: the time that the plugin adds (the median of the differences, and its 95 % interval) on the time without the plugin. Then it gives the delay that the plugin adds until the server listens or the answer arrives. After that a provider lives for ${STAY_MS.provider} ms, a consumer for ${STAY_MS.consumer} ms.`,
  run: async () => {
    const rows: Row[] = [];
    for (const each of CASES) rows.push(await rowOf(each));
    return rows;
  },
};
