import type { JSX } from 'preact';
import { milliseconds } from '../../src/trace/model/trace.ts';
import { PHASES, type Phase, type Verdict } from '../../src/trace/model/verdict.ts';

/** The work of each phase in words. */
const DOING: Readonly<Record<Phase, string>> = {
  notify: 'Telling its consumers',
  deregister: 'Leaving the registry',
  drain: 'Draining',
  stop: 'Stopping',
  delay: 'Waiting to begin',
  probe: 'Waiting for the application',
  preconnect: 'Building connections',
  register: 'Registering',
  'register.read_back': 'Waiting for the registry',
  warmup: 'Warming up',
};

/** A shutdown or a start that has not ended: its current phase, the time since its beginning, and the time left. */
export function Running({ verdict, now }: { readonly verdict: Verdict; readonly now: number }): JSX.Element {
  const { acked, gracePeriodMs, kind, planned, startedAt } = verdict;
  const passed = Math.max(0, now - startedAt);
  const left = gracePeriodMs - passed;
  return (
    <span class="running">
      <span class="sentence">
        {DOING[phaseOf(verdict)]}
        {kind === 'offline' && `, ${acked} of ${planned} consumers acked so far`}
      </span>
      <span class="clock">
        {milliseconds(passed)}
        {kind === 'offline' && (left > 0 ? `, ${milliseconds(left)} left` : `, ${milliseconds(-left)} over its time`)}
      </span>
      {kind === 'offline' && gracePeriodMs > 0 && (
        <progress max={gracePeriodMs} value={Math.min(passed, gracePeriodMs)} aria-label="of the grace period" />
      )}
    </span>
  );
}

/** Spans arrive when their work has ended. So a shutdown is in its first phase without a span, a start in the one after its last. */
function phaseOf({ kind, phases }: Verdict): Phase {
  const all: readonly Phase[] = PHASES[kind];
  const at = kind === 'offline' ? all.findIndex((phase) => phases[phase] === undefined) : lastOf(all, phases) + 1;
  return all[at] ?? (kind === 'offline' ? 'stop' : 'warmup');
}

function lastOf(all: readonly Phase[], phases: Verdict['phases']): number {
  return all.findLastIndex((phase) => phases[phase] !== undefined);
}
