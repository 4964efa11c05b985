import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { shutdownBodies } from '../test/support/observe/otlp.ts';
import { Child } from '../test/support/process/child.ts';
import { CLI } from '../test/support/process/cli.ts';
import { ScratchFolder } from '../test/support/scratch-folder.ts';
import { type Jaeger, jaegerMissing, startJaeger } from '../test/support/servers/jaeger.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

const SHUTDOWNS = 40;
const CONSUMERS = 250;

/** Requests at a time, as from so many processes. */
const SENDERS = 16;

/** Timed queries of each kind. */
const QUERIES = 30;

/** Shutdowns of the list, and its goals: longest time in milliseconds, most memory in MiB. */
const LISTED = 10_000;
const LIST_MS = 200;
const LIST_MIB = 320;

interface Measured {
  readonly spansPerSecond: number;
  readonly traceMs: number;
  readonly searchMs: number;
}

/** Fills the list of the page and requests it again and again; resolves with the times in milliseconds. */
async function measureList({ otlpUrl, queryUrl }: Pick<Jaeger, 'otlpUrl' | 'queryUrl'>): Promise<readonly number[]> {
  const now = Date.now();
  const agent = new Agent({ keepAlive: true, maxSockets: SENDERS });
  const numbers = Array.from({ length: LISTED }, (_, n) => n).values();
  const sender = async (): Promise<void> => {
    for (const n of numbers) {
      const [body] = shutdownBodies(`listed-${n % 20}`, 0, 0, now - n * 1_000).bodies;
      await call(agent, `${otlpUrl}/v1/traces`, body);
    }
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
  const took: number[] = [];
  for (let n = 0; n < QUERIES; n++) {
    const start = performance.now();
    await call(agent, `${queryUrl}/page/shutdowns${n % 2 === 0 ? '' : '?search=listed-7'}`);
    took.push(performance.now() - start);
  }
  agent.destroy();
  return took;
}

/** Peak memory of a process, in MiB (Linux). */
function peakMib(pid: number): number {
  const [, kib] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1_024;
}

/** Sends the same spans, one request for each process, and reads them back. */
async function measure({ otlpUrl, queryUrl }: Pick<Jaeger, 'otlpUrl' | 'queryUrl'>): Promise<Measured> {
  const now = Date.now();
  const sent = Array.from({ length: SHUTDOWNS }, (_, n) => shutdownBodies('measured', CONSUMERS, 0, now - n * 1_000));
  const bodies = sent.flatMap((shutdown) => shutdown.bodies).values();
  const agent = new Agent({ keepAlive: true, maxSockets: SENDERS });
  const begun = performance.now();
  const sender = async (): Promise<void> => {
    for (const body of bodies) await call(agent, `${otlpUrl}/v1/traces`, body);
  };
  await Promise.all(Array.from({ length: SENDERS }, sender));
  const seconds = (performance.now() - begun) / 1_000;
  const timed = async (path: (n: number) => string): Promise<number> => {
    const took: number[] = [];
    for (let n = 0; n < QUERIES; n++) {
      const start = performance.now();
      await call(agent, `${queryUrl}${path(n)}`);
      took.push(performance.now() - start);
    }
    return quantile(took, 0.5);
  };
  const traceMs = await timed((n) => `/api/traces/${sent[n % SHUTDOWNS]?.traceId}`);
  const searchMs = await timed(() => '/api/traces?service=measured&operation=lossless.offline&limit=20');
  agent.destroy();
  return { spansPerSecond: (SHUTDOWNS * (2 * CONSUMERS + 7)) / seconds, traceMs, searchMs };
}

/** Sends one request; resolves when the answer is read. */
function call(agent: Agent, url: string, body?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request(url, { agent, headers, method: body === undefined ? 'GET' : 'POST' }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} answered ${response.statusCode}`));
      response.resume().on('end', resolve);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export const collector: Benchmark = {
  title: 'The embedded collector beside Jaeger 2.13',
  how: `The benchmark sends ${SHUTDOWNS} shutdowns of ${CONSUMERS} consumers to the embedded collector and then to Jaeger: one request for each of ${SHUTDOWNS * (CONSUMERS + 1)} processes, ${SENDERS} at a time. Each store is a process of its own; Jaeger keeps traces in memory, the embedded collector keeps them in a file. Then the benchmark runs ${QUERIES} queries of each kind and reads each answer to its end; the table gives the median.`,
  async run() {
    const directory = new ScratchFolder();
    const args = [CLI, 'collector', '--port', '0', '--query-port', '0', '--db', join(directory.path, 'traces.sqlite')];
    const child = new Child(process.execPath, args);
    const [, url = ''] = await child.sees(/queries: (\S+)/);
    const ours = await measure({ otlpUrl: url, queryUrl: url });
    const listed = await measureList({ otlpUrl: url, queryUrl: url });
    const mib = peakMib(child.pid);
    await child.destroy();
    directory.remove();
    const missing = jaegerMissing();
    if (missing) console.log(`  ${missing}`);
    const jaeger = missing ? undefined : await startJaeger();
    const theirs = jaeger && (await measure(jaeger).finally(() => jaeger.close()));
    const row = (what: string, unit: (value: number) => string, read: (measured: Measured) => number): Row => ({
      what,
      measured: `${unit(read(ours))}, Jaeger ${theirs ? unit(read(theirs)) : 'not measured'}`,
      against: theirs ? `${(read(ours) / read(theirs)).toFixed(2)} of Jaeger` : '',
    });
    return [
      row(
        'received spans',
        (value) => `${value.toFixed(0)} spans/s`,
        (measured) => measured.spansPerSecond,
      ),
      row(`time to read one trace of ${2 * CONSUMERS + 7} spans`, ms, (measured) => measured.traceMs),
      row('time to find the latest 20 shutdowns of a service', ms, (measured) => measured.searchMs),
      {
        what: `time to load the list of the page from ${LISTED} shutdowns, with and without a search by text`,
        measured: `${ms(quantile(listed, 0.5))}, at most ${ms(quantile(listed, 1))}`,
        against: reached(quantile(listed, 0.5) <= LIST_MS, `≤ ${LIST_MS} ms`),
      },
      {
        what: 'highest memory use of the process',
        measured: `${mib.toFixed(0)} MiB`,
        against: reached(mib <= LIST_MIB, `≤ ${LIST_MIB} MiB`),
      },
    ];
  },
};
