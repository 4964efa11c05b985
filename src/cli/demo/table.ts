import { milliseconds } from '../../trace/model/trace.ts';
import { textTable } from '../text-table.ts';
import type { Fleet } from './fleet.ts';

/** The result of a demo as a table: one row for each set. */
export function demoTable(base: Fleet, gray: Fleet): readonly string[] {
  const rows = [
    ['', 'requests', 'failed', 'shutdowns', 'failed per shutdown', 'offline, median', 'longest'],
    rowOf('base (by hand)', base),
    rowOf('gray (plugin)', gray),
  ];
  return ['', ...textTable(rows)];
}

function rowOf(name: string, { counts, shutdowns }: Fleet): readonly string[] {
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
