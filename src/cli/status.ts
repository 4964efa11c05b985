import type { Status } from '../status.ts';
import type { Command } from './command.ts';
import { CONTROL_USAGE, callControl, controlArgs } from './control-client.ts';

export const command: Command = {
  usage: CONTROL_USAGE,
  summary: 'Shows the instance on this machine: state, what it waits for, consumers, weights.',
  async run(args, io) {
    const options = controlArgs(args);
    const { body } = await callControl(options, 'GET', '/status');
    if (options.json) io.out(JSON.stringify(body));
    else for (const line of statusLines(body as unknown as Status, Date.now())) io.out(line);
    return 0;
  },
};

/** One fact a line, services indented under it. @param now milliseconds since the Unix epoch */
export function statusLines(status: Status, now: number): readonly string[] {
  const { address, calls, consumers, offline, registry, requests, telemetry } = status;
  const failing = registry.failing && `, failing since ${registry.failing.since}: ${registry.failing.message}`;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['', `${status.service} ${status.instanceId}`],
    ['state', `${status.state} for ${duration(now - Date.parse(status.since))}, ${status.ready ? '' : 'not '}ready`],
    ['waits for', status.waitsFor],
    ['weight', percent(status.weight)],
    ['address', address ?? 'none yet'],
    ['registry', `${registry.type} ${registry.address}, ${registry.listed ? 'listed' : 'not listed'}${failing ?? ''}`],
    [
      'requests',
      `${requests.inflight} in flight, ${requests.started} so far, ${requests.unmanaged} of callers without the plugin`,
    ],
    ['consumers', `${consumers.recent} recent${consumers.overflowed > 0 ? `, ${consumers.overflowed} forgotten` : ''}`],
    ...Object.entries(consumers.services).map(([name, count]) => ['', `${name}: ${count}`] as const),
    ['calls', `${Object.keys(calls.services).length} services, ${calls.isolated} instances isolated`],
    ...Object.entries(calls.services).flatMap(([name, { instances }]) =>
      instances.map(
        (instance) =>
          [
            '',
            `${name} ${instance.address}${instance.zone === undefined ? '' : ` (${instance.zone})`}: ${instance.isolated ? 'isolated' : percent(instance.share)}, ${instance.outstanding} outstanding`,
          ] as const,
      ),
    ),
    [
      'offline',
      offline && `${offline.acked} of ${offline.planned} consumers acked, ${offline.idle} idle; ${offline.url}`,
    ],
    [
      'telemetry',
      telemetry && `${telemetry.exported} spans sent, ${telemetry.spooled} spooled, ${telemetry.lost} lost`,
    ],
  ];
  return facts.flatMap(([name, fact]) => (fact === undefined ? [] : [`${name.padEnd(WIDTH)}${fact}`]));
}

/** Where facts begin. */
const WIDTH = 11;

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
