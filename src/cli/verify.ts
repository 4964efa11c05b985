import { parseArgs } from 'node:util';
import { LosslessError } from '../errors.ts';
import { spanName } from '../trace/model/schema.ts';
import { milliseconds, type Trace } from '../trace/model/trace.ts';
import { assess, isCounted, isLossless, type Verdict } from '../trace/model/verdict.ts';
import type { Command, Io } from './command.ts';
import { JaegerClient } from './jaeger-client.ts';
import { jaegerUrl } from './jaeger-url.ts';
import { textTable } from './text-table.ts';
import { whole } from './whole.ts';

/** Traces of one search: a hundred shutdowns of 250 consumers are an answer of about 60 MB. */
const PAGE = 100;

/** Two microseconds, in milliseconds: stores tell starts apart by one, and a number of this size may be wrong by a part of one. */
const STEP_MS = 0.002;

/** Most shutdowns that are looked at. */
const MOST = 10_000;

/** Spans may come for so long after the end, in milliseconds: those of consumers are sent by them, and tried again out of a spool after 30 s. */
const SPANS_LATE_MS = 35_000;

/** Problems that are shown of one shutdown. */
const SHOWN = 3;

/** What `--json` prints. */
export interface VerifyReport {
  readonly service: string;
  /** ISO 8601. */
  readonly since: string;
  /** `lossless`: every shutdown was. `lossy`: at least one was not. `unknown`: too few traces, or one is not all there yet. */
  readonly verdict: 'lossless' | 'lossy' | 'unknown';
  readonly reason: string;
  readonly shutdowns: readonly Verdict[];
}

const EXIT: Readonly<Record<VerifyReport['verdict'], number>> = { lossless: 0, lossy: 1, unknown: 2 };

export const command: Command = {
  usage: '--service NAME --since 10m|2026-01-31T12:00:00Z [--expect N] [--url http://127.0.0.1:16686] [--json]',
  summary: 'Release gate: were all shutdowns of a service lossless? Exit code 0 yes, 1 no, 2 could not tell.',
  async run(args, io) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        service: { type: 'string' },
        since: { type: 'string' },
        expect: { type: 'string' },
        url: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    });
    const { service, since, expect } = values;
    if (!service || !since)
      throw new LosslessError('LOSSLESS_USAGE', 'expected --service and --since, for example --since 10m');
    const now = Date.now();
    const begin = beginOf(since, now);
    const expected = expect === undefined ? 1 : whole('--expect', expect, 0, MOST);
    const url = jaegerUrl(values.url);
    const { traces, isComplete } = await shutdownsSince(new JaegerClient(url), service, begin);
    const verdicts = traces.map((trace) => assess(trace, now)).sort((a, b) => a.startedAt - b.startedAt);
    const report: VerifyReport = {
      service,
      since: new Date(begin).toISOString(),
      ...judge(verdicts, isComplete, expected, now),
      shutdowns: verdicts,
    };
    if (values.json) io.out(JSON.stringify(report));
    else print(report, url, io);
    return EXIT[report.verdict];
  },
};

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `Date.parse` alone takes nearly everything: `10` would be the year 2001. */
const ISO_DATE = /^\d{4}-\d{2}-\d{2}/;

/** @returns milliseconds since the Unix epoch */
function beginOf(since: string, now: number): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(since) ?? [];
  const date = ISO_DATE.test(since) ? Date.parse(since) : Number.NaN;
  const begin = count === undefined ? date : now - Number(count) * (UNITS[unit] ?? 0);
  if (Number.isNaN(begin))
    throw new LosslessError(
      'LOSSLESS_USAGE',
      `--since must be a time (ISO 8601) or a duration like 90s, 10m, 2h, 1d, received ${since}`,
    );
  return begin;
}

/** Every shutdown that began since then, found by its start marker, so that one that was killed is found too. */
async function shutdownsSince(
  client: JaegerClient,
  service: string,
  since: number,
): Promise<{ readonly traces: readonly Trace[]; readonly isComplete: boolean }> {
  const found = new Map<string, Trace>();
  let until: number | undefined;
  for (;;) {
    const page = await client.search({
      service,
      operation: spanName('offline.started'),
      since,
      limit: PAGE,
      ...(until !== undefined && { until }),
    });
    const before = found.size;
    for (const trace of page) found.set(trace.traceId, trace);
    const traces = [...found.values()];
    const isKnown = found.size === before;
    // A full page of what is known, and more than anybody reads: there may be others that are never answered.
    if (found.size >= MOST || (isKnown && page.length >= PAGE)) return { traces, isComplete: false };
    const oldest = Math.min(...page.map(startOf));
    // A short page is not the last: a store bounds the size of an answer too, maybe to the one shutdown that is asked for again.
    if (isKnown && (oldest !== until || oldest - STEP_MS < since)) return { traces, isComplete: true };
    until = isKnown ? oldest - STEP_MS : oldest;
  }
}

/** When the marker was made: what a search goes by. */
function startOf({ spans }: Trace): number {
  return spans.find(({ name }) => name === spanName('offline.started'))?.start ?? spans[0]?.start ?? 0;
}

function judge(
  verdicts: readonly Verdict[],
  isComplete: boolean,
  expected: number,
  now: number,
): Pick<VerifyReport, 'verdict' | 'reason'> {
  const counted = verdicts.filter(isCounted);
  const uncounted = verdicts.length - counted.length;
  const aside = uncounted === 0 ? '' : `; ${uncounted} of instances that were never ready are not counted`;
  const coming = counted.filter((each) => mayStillCome(each, now));
  const lossy = counted.filter((each) => !isLossless(each) && !coming.includes(each));
  if (lossy.length > 0)
    return { verdict: 'lossy', reason: `${lossy.length} of ${counted.length} shutdowns were not lossless${aside}` };
  if (!isComplete)
    return { verdict: 'unknown', reason: `the store did not answer all shutdowns beyond ${verdicts.length}` };
  if (coming.length > 0)
    return { verdict: 'unknown', reason: `${coming.length} of ${counted.length} shutdowns may not be all there yet` };
  if (counted.length < expected)
    return { verdict: 'unknown', reason: `${counted.length} shutdowns found, ${expected} expected${aside}` };
  return { verdict: 'lossless', reason: `${counted.length} shutdowns, all lossless${aside}` };
}

/** Whether what is missing may be on its way: the end of a shutdown, or spans of one that says that nothing was lost. */
function mayStillCome(verdict: Verdict, now: number): boolean {
  const { durationMs, result, startedAt, whole: isWhole } = verdict;
  if (result === 'missing') return true;
  return !isWhole && isLossless({ ...verdict, whole: true }) && now < startedAt + durationMs + SPANS_LATE_MS;
}

function print({ reason, service, shutdowns, since, verdict }: VerifyReport, url: URL, io: Io): void {
  const rows = shutdowns.map((each) => [
    each.instanceId,
    new Date(each.startedAt).toISOString(),
    milliseconds(each.durationMs),
    each.result,
    `${each.acked}/${each.planned}`,
    String(each.afterAck),
    isLossless(each) ? 'yes' : isCounted(each) ? 'NO' : '-',
  ]);
  if (rows.length > 0)
    for (const line of textTable([
      ['instance', 'left at', 'within', 'result', 'acked', 'after ack', 'lossless'],
      ...rows,
    ]))
      io.out(line);
  for (const { problems, traceId } of shutdowns.filter((each) => isCounted(each) && !isLossless(each))) {
    io.out(`\n${new URL(`trace/${traceId}`, `${url.href.replace(/\/*$/, '')}/`).href}`);
    for (const problem of problems.slice(0, SHOWN)) io.out(`- ${problem}`);
    if (problems.length > SHOWN) io.out(`- and ${problems.length - SHOWN} more`);
  }
  io.out(`\n${service} since ${since}: ${verdict}: ${reason}`);
}
