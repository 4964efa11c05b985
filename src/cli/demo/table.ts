import { milliseconds } from '../../trace/model/trace.ts';
import { textTable } from '../text-table.ts';
import type { DemoSet } from './demo-set.ts';

/** The result of a demo as a table: one row for each set. */
export function demoTable(base: DemoSet, gray: DemoSet): readonly string[] {
  const isCounted = [base, gray].some((set) => set.shutdowns.some((one) => one.connectionsLeft !== undefined));
  const heads = ['', 'requests', 'failed', 'shutdowns', 'failed per shutdown', 'offline, median', 'longest'];
  const rows = [
    [...heads, ...(isCounted ? ['connections left'] : [])],
    [...rowOf('base (by hand)', base), ...(isCounted ? [leftOf(base)] : [])],
    [...rowOf('gray (plugin)', gray), ...(isCounted ? [leftOf(gray)] : [])],
  ];
  return ['', ...textTable(rows)];
}

function rowOf(name: string, { counts, shutdowns }: DemoSet): readonly string[] {
  const durations = shutdowns.map((shutdown) => shutdown.durationMs).sort((a, b) => a - b);
  const perShutdown = shutdowns.length === 0 ? 0 : counts.failed / shutdowns.length;
  const shown = (ms: number | undefined): string => (ms === undefined ? '-' : milliseconds(ms));
  return [
    name,
    String(counts.requests),
    String(counts.failed),
    String(shutdowns.length),
    perShutdown.toFixed(2),
    shown(durations[Math.floor(durations.length / 2)]),
    shown(durations.at(-1)),
  ];
}

/** Connections that each shutdown cut, in turn. */
function leftOf({ shutdowns }: DemoSet): string {
  return shutdowns.map(({ connectionsLeft = '-' }) => connectionsLeft).join(' ');
}
