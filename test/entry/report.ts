import type { Played } from './play.ts';
import type { Scenario } from './scenario.ts';

const COLUMNS = [
  ['scenario', 62],
  ['lost', 28],
  ['seconds', 14],
  ['served', 12],
  ['sent', 7],
  ['result', 0],
] as const;

/** The first line of the table. */
export const TITLE = row(COLUMNS.map(([name]) => name));

/** Whether every shutdown ended as the scenario demands, and the average loss is within the goal. */
export function isReached({ goal }: Scenario, { before, shutdowns }: Played): boolean {
  const lost = shutdowns.reduce((sum, one) => sum + one.lost.length, 0);
  return (
    before.length === 0 &&
    lost <= goal.lost * shutdowns.length &&
    shutdowns.every(({ result, seconds }) => seconds <= goal.seconds && endsAs(result, goal.result))
  );
}

/** Whether a shutdown ended well: with the expected result, or by default without cut work. */
function endsAs(result: string, expected: string | undefined): boolean {
  return expected === undefined ? !['timeout', 'missing', 'killed'].includes(result) : result === expected;
}

/** One line of the table; spaces separate the values of shutdowns. */
export function lineOf(scenario: Scenario, played: Played): string {
  const { before, sent, shutdowns } = played;
  const reasons = new Map<string, number>();
  for (const { reason } of [...before, ...shutdowns.flatMap(({ lost }) => lost)])
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  const why = [...reasons].map(([reason, times]) => `${times} ${reason}`).join(', ');
  return row([
    `${isReached(scenario, played) ? 'ok  ' : 'MISS'} ${scenario.name}`,
    `${shutdowns.map(({ lost }) => lost.length).join(' ')}${why === '' ? '' : ` (${why})`}`,
    shutdowns.map(({ seconds }) => seconds.toFixed(1)).join(' '),
    shutdowns.map(({ served }) => served).join(' '),
    `${sent}`,
    [...new Set(shutdowns.map(({ held, result }) => (held === '' ? result : `${result}, ${held}`)))].join('; '),
  ]);
}

function row(cells: readonly string[]): string {
  return cells
    .map((cell, n) => cell.padEnd(COLUMNS[n]?.[1] ?? 0))
    .join(' ')
    .trimEnd();
}
