import { assess, type Verdict } from '../../trace/model/verdict.ts';
import type { Io } from '../command.ts';
import { verdictLines } from '../inspect.ts';
import { waterfall } from '../waterfall.ts';
import type { DemoSet } from './demo-set.ts';
import { demoTable } from './table.ts';
import type { FleetTraces } from './traces.ts';

/** What `--json` prints. */
export interface DemoReport {
  readonly base: SetReport;
  readonly gray: SetReport;
  readonly traces: readonly Pick<Verdict, (typeof TOLD)[number]>[];
  readonly onlineTraces: readonly Pick<Verdict, (typeof TOLD_ONLINE)[number]>[];
}

interface SetReport {
  readonly requests: number;
  readonly failed: number;
  /** How often each reason occurred. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly shutdowns: number;
  /** One number for each shutdown, where connections are counted. */
  readonly connectionsLeft?: readonly number[];
}

const TOLD = ['traceId', 'service', 'result', 'planned', 'acked', 'spans', 'orphans', 'refreshes'] as const;
const TOLD_ONLINE = ['traceId', 'service', 'result', 'spans', 'orphans'] as const;

/** Prints the results. @returns the exit code: 0 when the gray set lost nothing and every trace is whole */
export function report(base: DemoSet, gray: DemoSet, traces: FleetTraces, json: boolean, io: Io): number {
  const verdicts = traces.shutdowns.map(assess);
  const broken = [
    ...verdicts.filter(({ whole }) => !whole).map(({ traceId, problems }) => `${traceId}: ${problems.join('; ')}`),
    ...traces.starts.filter(({ whole }) => !whole).map(({ traceId, result }) => `${traceId}: a start, ${result}`),
  ];
  const missing = gray.shutdowns.length - verdicts.length + (gray.starts - traces.starts.length);
  if (json) {
    const told: DemoReport = {
      base: setOf(base),
      gray: setOf(gray),
      traces: verdicts.map((verdict) => pick(verdict, TOLD)),
      onlineTraces: traces.starts.map((verdict) => pick(verdict, TOLD_ONLINE)),
    };
    io.out(JSON.stringify(told));
  } else {
    const shown = traces.shutdowns.at(-1);
    const lines = [
      ...demoTable(base, gray),
      ...(shown === undefined
        ? []
        : [
            '',
            'one shutdown, from its trace:',
            '',
            ...waterfall(shown, io),
            '',
            ...verdictLines(assess(shown, Date.now())),
          ]),
      '',
      `${verdicts.filter(({ whole }) => whole).length} of ${gray.shutdowns.length} shutdown traces and ${traces.starts.filter(({ whole }) => whole).length} of ${gray.starts} traces of starts are whole`,
    ];
    for (const line of lines) io.out(line);
  }
  for (const line of broken) io.err(`not whole: trace ${line}`);
  for (const [reason, count] of Object.entries(gray.counts.reasons)) io.err(`gray: ${count} × ${reason}`);
  return gray.counts.failed === 0 && broken.length === 0 && missing === 0 ? 0 : 1;
}

function setOf({ counts, shutdowns }: DemoSet): SetReport {
  const { requests, failed, reasons } = counts;
  const connectionsLeft = shutdowns.map((one) => one.connectionsLeft).filter((left) => left !== undefined);
  return {
    requests,
    failed,
    reasons,
    shutdowns: shutdowns.length,
    ...(connectionsLeft.length > 0 && { connectionsLeft }),
  };
}

function pick<T, K extends keyof T>(whole: T, keys: readonly K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, whole[key]])) as Pick<T, K>;
}
