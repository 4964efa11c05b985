import type { JSX } from 'preact';
import { spanName } from '../../src/trace/model/schema.ts';
import { milliseconds, type Span } from '../../src/trace/model/trace.ts';
import { PHASES, type Phase, type Verdict } from '../../src/trace/model/verdict.ts';

/** A phase and its time, in milliseconds since the Unix epoch. */
export interface PhaseTime {
  readonly phase: Phase;
  readonly from: number;
  readonly to: number;
}

export function phaseTimes(spans: readonly Span[]): readonly PhaseTime[] {
  return [...PHASES.offline, ...PHASES.online].flatMap((phase) => {
    const span = spans.find((each) => each.name === spanName(phase));
    return span === undefined ? [] : [{ phase, from: span.start, to: span.start + span.durationMs }];
  });
}

/** The class that gives a phase its colour. */
export function colourOf(phase: Phase): string {
  return `phase-${phase.replace('.', '-')}`;
}

/** The duration of each phase, as a bar for a row of a list. */
export function PhaseBar({ kind, phases }: Pick<Verdict, 'kind' | 'phases'>): JSX.Element {
  const given = PHASES[kind].filter((phase) => phases[phase] !== undefined);
  const words = given.map((phase) => `${phase} ${milliseconds(phases[phase] ?? 0)}`).join(', ');
  return (
    <span class="phase-bar" role="img" aria-label={words} title={words}>
      {given.map((phase) => (
        <span key={phase} class={colourOf(phase)} style={{ flexGrow: phases[phase] ?? 0 }} />
      ))}
    </span>
  );
}
