import type { Gate } from '../trace/model/judge.ts';
import type { Release } from '../trace/model/release.ts';
import type { ReleaseSummary } from '../trace/model/release-summary.ts';
import { milliseconds } from '../trace/model/trace.ts';
import { isCounted, isLossless } from '../trace/model/verdict.ts';
import type { Io } from './command.ts';
import { textTable } from './text-table.ts';

/** Most problems of one shutdown that the command prints. */
const SHOWN = 3;

/** What `--json` prints. */
export interface VerifyReport extends Gate {
  /** ISO 8601. */
  readonly since: string;
  /** The release that `--release` names; absent without the option, and when there is no such release. */
  readonly release?: Pick<Release, 'namespace' | 'version' | 'startedAt'> & ReleaseSummary;
}

/** Prints a report for people. */
export function print({ reason, release, service, shutdowns, since, verdict }: VerifyReport, url: URL, io: Io): void {
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
