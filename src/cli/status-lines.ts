import type { Status } from '../status.ts';
import { printable } from '../trace/model/trace.ts';
import { textTable } from './text-table.ts';

/** One fact: its name and its lines. */
type Fact = readonly [name: string, ...lines: readonly (string | undefined)[]];

/** Column in which facts begin. */
const WIDTH = 11;

/** The facts of `--json` for people, one on each line. @param now milliseconds since the Unix epoch */
export function statusLines(status: Status, now: number): readonly string[] {
  const { address, consumers, offline, online, registry, requests, telemetry } = status;
  const since = (time: string): string => duration(now - Date.parse(time));
  const { failing } = registry;
  const tasks = Object.entries(status.tasks);
  const facts: readonly Fact[] = [
    ['instance', `${status.service} ${status.instanceId}`],
    ['state', `${status.state} for ${since(status.since)}, ${status.ready ? '' : 'not '}ready`],
    ['waits for', status.waitsFor],
    ['weight', percent(status.weight)],
    ['address', address ?? 'none yet'],
    [
      'registry',
      `${registry.type} ${registry.address}, ${registry.listed ? 'listed' : 'not listed'}`,
      failing && `failing for ${since(failing.since)}: ${failing.message}`,
    ],
    [
      'requests',
      `${requests.inflight} in flight, ${requests.started} so far, ${requests.unmanaged} of them from callers without the plugin`,
    ],
    ['tasks', tasks.length > 0 ? tasks.map(([name, running]) => `${running} ${name}`).join(', ') : undefined],
    ['status file', status.unmanaged.statusFileFailing ? 'cannot be written or removed, see the log' : undefined],
    [
      'consumers',
      `${consumers.recent} recent${consumers.overflowed > 0 ? `, ${consumers.overflowed} forgotten` : ''}`,
      ...textTable(Object.entries(consumers.services).map(([name, processes]) => [name, String(processes)])),
    ],
    ...callsOf(status.calls),
    [
      'offline',
      offline &&
        `${offline.acked} of ${counted(offline.planned, 'consumer')} acked, ${offline.idle} idle, ${offline.failed} failed`,
      offline?.url,
    ],
    // The trace of the start matters only until the instance leaves.
    ['online', offline ? undefined : online && `trace ${online.traceId}`],
    [
      'telemetry',
      telemetry && `${telemetry.exported} spans sent, ${telemetry.spooled} spooled, ${telemetry.lost} lost`,
    ],
  ];
  return facts.flatMap(([name, ...lines]) =>
    lines
      .filter((line) => line !== undefined)
      .map((line, n) => printable(`${(n === 0 ? name : '').padEnd(WIDTH)}${line}`)),
  );
}

/** The services that the instance calls, and why it avoids some of their instances. */
function callsOf({ goAways, isolated, markers, services }: Status['calls']): readonly Fact[] {
  const taken = Object.entries(goAways).filter(([, times]) => times > 0);
  const told = [
    ...taken.map(([outcome, times]) => `${times} ${outcome}`),
    ...(markers > 0 ? [counted(markers, 'draining marker')] : []),
  ];
  return [
    [
      'calls',
      `${counted(Object.keys(services).length, 'service')}, ${counted(isolated, 'instance')} isolated`,
      ...Object.entries(services).flatMap(([name, service]) => serviceLines(name, service)),
    ],
    ['GoAways', told.length > 0 ? told.join(', ') : undefined],
  ];
}

function serviceLines(
  name: string,
  { instances, listAgeMs, panicPicks }: Status['calls']['services'][string],
): readonly string[] {
  const age = listAgeMs === undefined ? 'no list yet' : `list from ${duration(listAgeMs)} ago`;
  const panic =
    panicPicks > 0 ? `, ${counted(panicPicks, 'request')} to isolated instances because there was no other` : '';
  const hasZones = instances.some(({ zone }) => zone !== undefined);
  const rows = instances.map(({ address, isolated, outstanding, share, zone }) => [
    address,
    ...(hasZones ? [zone ?? '-'] : []),
    isolated ? 'isolated' : percent(share),
    `${outstanding} outstanding`,
  ]);
  return [
    `${name}, ${age}${instances.length === 0 ? ', no instance' : ''}${panic}`,
    ...textTable(rows).map((row) => `  ${row}`),
  ];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
