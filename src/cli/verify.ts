import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { LosslessError } from '../errors.ts';
import { sleep, systemClock } from '../lifecycle/clock.ts';
import { type Release, releasesOf, sentenceOf } from '../trace/model/release.ts';
import { milliseconds } from '../trace/model/trace.ts';
import { assess, isCounted, isLossless } from '../trace/model/verdict.ts';
import type { Command, Io } from './command.ts';
import { JaegerClient } from './jaeger-client.ts';
import { jaegerUrl } from './jaeger-url.ts';
import { type Gate, type Judgement, judge } from './judge.ts';
import { junitOf } from './junit.ts';
import { textTable } from './text-table.ts';
import { MOST, tracesSince } from './traces-since.ts';
import { whole } from './whole.ts';

/** Problems that are shown of one shutdown. */
const SHOWN = 3;

/** How often the store is asked while one waits for what it cannot tell yet, and for how long at most, in milliseconds. */
const ASK_EVERY_MS = 2_000;
const LONGEST_WAIT_MS = 3_600_000;

/** What `--json` prints. */
export interface VerifyReport extends Gate {
  /** ISO 8601. */
  readonly since: string;
  /** The release that `--release` names; absent without it, and when there is none. */
  readonly release?: Omit<Release, 'service' | 'starts' | 'stops'> & { readonly sentence: string };
}

const EXIT: Readonly<Record<Judgement['verdict'], number>> = { lossless: 0, lossy: 1, unknown: 2 };

export const command: Command = {
  usage:
    '--service NAME --since 10m|2026-01-31T12:00:00Z [--release latest|VERSION] [--expect N] [--wait 5m] [--url http://127.0.0.1:16686] [--json] [--junit FILE]',
  summary: 'Release gate: were all shutdowns of a service lossless? Exit code 0 yes, 1 no, 2 could not tell.',
  async run(args, io) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        service: { type: 'string' },
        since: { type: 'string' },
        release: { type: 'string' },
        expect: { type: 'string' },
        wait: { type: 'string', default: '0s' },
        url: { type: 'string' },
        json: { type: 'boolean', default: false },
        junit: { type: 'string' },
      },
    });
    const { junit, release, service, since = release && '1d', wait } = values;
    if (!service || !since)
      throw new LosslessError('LOSSLESS_USAGE', 'expected --service and --since, for example --since 10m');
    const begin = beginOf(since, Date.now());
    const waitMs = durationOf(wait);
    if (waitMs === undefined || waitMs > LONGEST_WAIT_MS)
      throw new LosslessError('LOSSLESS_USAGE', `--wait must be a duration up to 1h like 90s or 5m, received ${wait}`);
    const expected = values.expect === undefined ? 1 : whole('--expect', values.expect, 0, MOST);
    const url = jaegerUrl(values.url);
    const question = { service, begin, expected, release };
    const client = new JaegerClient(url);
    const end = Date.now() + waitMs;
    let report = await ask(client, question);
    while (report.verdict === 'unknown' && Date.now() + ASK_EVERY_MS < end) {
      await sleep(systemClock, ASK_EVERY_MS);
      report = await ask(client, question);
    }
    if (junit !== undefined) await writeFile(junit, junitOf(report));
    if (values.json) io.out(JSON.stringify(report));
    else print(report, url, io);
    return EXIT[report.verdict];
  },
};

interface Question {
  readonly service: string;
  /** Milliseconds since the Unix epoch. */
  readonly begin: number;
  readonly expected: number;
  readonly release: string | undefined;
}

async function ask(client: JaegerClient, { service, begin, expected, release }: Question): Promise<VerifyReport> {
  const markers =
    release === undefined ? (['offline.started'] as const) : (['offline.started', 'online.started'] as const);
  const found = await Promise.all(markers.map((marker) => tracesSince(client, service, marker, begin)));
  const now = Date.now();
  const verdicts = found.flatMap(({ traces }) => traces).map((trace) => assess(trace, now));
  const asked = release === undefined ? undefined : releasesOf(verdicts).filter(isNamed(release)).at(-1);
  const shutdowns = (release === undefined ? verdicts : (asked?.stops ?? [])).toSorted(
    (one, other) => one.startedAt - other.startedAt,
  );
  const isComplete = found.every((each) => each.isComplete);
  return {
    service,
    since: new Date(begin).toISOString(),
    ...judge(shutdowns, isComplete, expected, now),
    ...(asked && { release: summaryOf(asked) }),
    shutdowns,
  };
}

/** A release without a shutdown, of a service that only grew, is none to judge. */
function isNamed(release: string): (found: Release) => boolean {
  return ({ stops, version }) => (release === 'latest' ? stops.length > 0 : version === release);
}

function summaryOf(release: Release): NonNullable<VerifyReport['release']> {
  const { service: _, starts: __, stops: ___, ...summary } = release;
  return { ...summary, sentence: sentenceOf(release) };
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A duration with its unit, in milliseconds; undefined when it is something else. */
function durationOf(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * (UNITS[unit] ?? 0);
}

/** `Date.parse` alone takes nearly everything: `10` would be the year 2001. */
const ISO_DATE = /^\d{4}-\d{2}-\d{2}/;

/** @returns milliseconds since the Unix epoch */
function beginOf(since: string, now: number): number {
  const ago = durationOf(since);
  const date = ISO_DATE.test(since) ? Date.parse(since) : Number.NaN;
  const begin = ago === undefined ? date : now - ago;
  if (Number.isNaN(begin))
    throw new LosslessError(
      'LOSSLESS_USAGE',
      `--since must be a time (ISO 8601) or a duration like 90s, 10m, 2h, 1d, received ${since}`,
    );
  if (begin > now)
    throw new LosslessError(
      'LOSSLESS_USAGE',
      `--since must not be in the future, received ${since}; without a zone a time is local`,
    );
  return begin;
}

function print({ reason, release, service, shutdowns, since, verdict }: VerifyReport, url: URL, io: Io): void {
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
  if (release !== undefined) io.out(`\nrelease ${release.version || 'without a version'}: ${release.sentence}`);
  io.out(`\n${service} since ${since}: ${verdict}: ${reason}`);
}
