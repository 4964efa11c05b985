import { CALLERS } from './callers.ts';
import type { Played } from './play.ts';

const COLUMNS = [
  ['set', 20],
  ['event', 15],
  ...CALLERS.map((name) => [`lost: ${name}`, 26] as const),
  ['seconds', 18],
  ['result', 0],
] as const;

/** The first line of the table. */
export const TITLE = row(COLUMNS.map(([name]) => name));

/** Whether no caller lost a request, and every trace says so. */
export function isLossless({ callers, departures }: Played): boolean {
  return (
    Object.values(callers).every(({ failed }) => failed === 0) &&
    departures.length > 0 &&
    departures.every(({ trace }) => trace?.isLossless)
  );
}

/** One line of the table; the values of departures are parted by spaces. */
export function lineOf({ callers, departures, event, set }: Played): string {
  const lost = CALLERS.map((name) => {
    const { failed, reasons, sent } = callers[name] ?? { failed: 0, reasons: {}, sent: 0 };
    const why = Object.entries(reasons).map(([reason, times]) => `${times} ${reason}`);
    return sent === 0 ? '-' : `${failed} of ${sent}${failed === 0 ? '' : ` (${why.join(', ')})`}`;
  });
  const results = departures.flatMap(({ trace }) =>
    trace === undefined ? [] : [trace.result, ...trace.problems].join(': '),
  );
  return row([
    set,
    event,
    ...lost,
    departures.map(({ seconds }) => seconds.toFixed(1)).join(' '),
    [...new Set(results)].join('; '),
  ]);
}

function row(cells: readonly string[]): string {
  return cells
    .map((cell, n) => cell.padEnd(COLUMNS[n]?.[1] ?? 0))
    .join(' ')
    .trimEnd();
}
