import { type Allowance, growthOf, median } from './growth.ts';
import type { Failure, Life, Observed, Shutdown } from './observed.ts';

/** One line of the judgement. */
export interface Row {
  readonly what: string;
  readonly seen: string;
  /** The required value; empty without one. */
  readonly wanted: string;
  readonly isGood: boolean;
}

/** How long after a SIGKILL a request may still have been written to the process, in milliseconds: its client stood still. */
const UNSEEN_MS = 5_000;

/** Results of shutdowns without a loss. */
const GOOD: readonly string[] = ['success', 'incomplete'];

/** Results in a trace whose end is lost. */
const UNKNOWN: readonly string[] = ['missing', 'killed'];

/** Values that must not grow, by the end of their names. */
const ALLOWANCES: Readonly<Record<string, Allowance & { readonly unit: number; readonly in: string }>> = {
  heap: { part: 0.15, amount: 3 * 2 ** 20, unit: 2 ** 20, in: 'MiB' },
  rss: { part: 0.25, amount: 32 * 2 ** 20, unit: 2 ** 20, in: 'MiB' },
  descriptors: { part: 0.2, amount: 12, unit: 1, in: '' },
  files: { part: 0.2, amount: 4, unit: 1, in: '' },
  entries: { part: 0, amount: 2, unit: 1, in: '' },
};

/** The SIGKILL from which a failure comes: of the instance that it was written to, while it was on its way. */
export function killOf({ begun, ended, port }: Failure, lives: readonly Life[]): Life | undefined {
  return lives.find(
    ({ killedAt, port: of }) =>
      killedAt !== undefined && of === port && ended >= killedAt && begun <= killedAt + UNSEEN_MS,
  );
}

/** Failures that no SIGKILL explains: a graceful shutdown, or nothing at all, has cost them. */
export function unexplained({ failures, lives }: Observed): readonly Failure[] {
  return failures.filter((failure) => killOf(failure, lives) === undefined);
}

/** Processes that ended and were not asked to, in words. */
export function endedAlone({ lives }: Observed): readonly Life[] {
  return lives.filter(
    ({ endedAt, killedAt, leftAt }) => endedAt !== undefined && killedAt === undefined && leftAt === undefined,
  );
}

/** Whether a shutdown ended in an allowed way. When the end of its trace is lost, the way is unknown, and the trace says so. */
export function isGraceful({ result, trace }: Shutdown): boolean {
  return GOOD.includes(result) || (UNKNOWN.includes(result) && trace === 'said');
}

/** Compares the observations with the rules. */
export function judge(observed: Observed): readonly Row[] {
  const { broken, failures, lives, requests, shutdowns } = observed;
  const lost = unexplained(observed);
  const traces = Map.groupBy(shutdowns, ({ trace }) => trace);
  const count = (state: Shutdown['trace']): number => traces.get(state)?.length ?? 0;
  return [
    some('requests of callers', requests),
    told('  that a SIGKILL cost', failures.length - lost.length),
    none('  that nothing explains', lost.length),
    some('graceful shutdowns', shutdowns.length),
    told('  median, ms', median(durations(shutdowns))),
    told('  longest, ms', Math.max(0, ...durations(shutdowns))),
    none('  that ended badly', shutdowns.filter((shutdown) => !isGraceful(shutdown)).length),
    none('  that did not end', lives.filter(({ isHung }) => isHung).length),
    told('processes killed', lives.filter(({ killedAt }) => killedAt !== undefined).length),
    none('processes that ended unasked', endedAlone(observed).length),
    none('steps that could not be played', broken.length),
    told('traces that are whole', count('whole')),
    told('  whose loss was said', count('said')),
    told('  that miss spans of a killed process', count('killed')),
    none('  that miss spans in silence', count('silent')),
    none('files left in the spool', observed.spooled.length),
    ...[...observed.series].map(([name, samples]) => growthRow(name, samples)),
  ];
}

function growthRow(name: string, samples: readonly number[]): Row {
  const allowance = ALLOWANCES[name.split(' ').at(-1) ?? ''];
  if (allowance === undefined) throw new Error(`nothing says how far ${name} may grow`);
  const growth = growthOf(samples, allowance);
  const wanted = 'no growth';
  if (growth === undefined) return { what: name, seen: `${samples.length} samples`, wanted: '', isGood: true };
  const shown = (value: number): string => (value / allowance.unit).toFixed(allowance.unit === 1 ? 0 : 1);
  const seen = `${shown(growth.early)} → ${shown(growth.late)} ${allowance.in}`.trimEnd();
  return { what: name, seen, wanted, isGood: !growth.hasGrown };
}

function durations(shutdowns: readonly Shutdown[]): readonly number[] {
  return shutdowns.map(({ durationMs }) => Math.round(durationMs));
}

function told(what: string, count: number): Row {
  return { what, seen: `${count}`, wanted: '', isGood: true };
}

function some(what: string, count: number): Row {
  return { what, seen: `${count}`, wanted: 'some', isGood: count > 0 };
}

function none(what: string, count: number): Row {
  return { what, seen: `${count}`, wanted: '0', isGood: count === 0 };
}
