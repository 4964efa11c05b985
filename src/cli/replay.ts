import { parseArgs } from 'node:util';
import { sleep, systemClock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import { CollectorClient } from '../trace/collector-client.ts';
import { STILL_MS } from '../trace/deaths.ts';
import { replaySpool } from '../trace/replay.ts';
import { Spool } from '../trace/spool.ts';
import { targetLabel } from '../trace/target-label.ts';
import type { Command } from './command.ts';
import { configured } from './configured.ts';

export const command: Command = {
  usage: '[--dir LOSSLESS_SPOOL_DIR] [--otlp OTEL_EXPORTER_OTLP_ENDPOINT] [--all]',
  summary: 'Sends the spans that wait in the spool for this collector; --all those that wait for others too.',
  async run(args, io) {
    const { values } = parseArgs({
      args: [...args],
      options: { dir: { type: 'string' }, otlp: { type: 'string' }, all: { type: 'boolean', default: false } },
    });
    const { spoolDir, traces } = configured({
      ...(values.dir !== undefined && { LOSSLESS_SPOOL_DIR: values.dir }),
      ...(values.otlp !== undefined && {
        OTEL_EXPORTER_OTLP_ENDPOINT: values.otlp,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: undefined,
      }),
    });
    const log: Log = (_, message) => io.err(message);
    const clock = systemClock;
    const spool = new Spool({ directory: spoolDir, target: targetLabel(traces), clock, log });
    const collector = new CollectorClient(traces, clock);
    const replay = () => replaySpool({ spool, collector, clock, log, everyTarget: values.all });
    const first = await replay();
    let { waiting, reason } = first;
    let { sent } = first;
    if (first.unsure > 0) {
      io.err(`${first.unsure} processes of other containers may still leave; they are looked at again`);
      await sleepAlive(STILL_MS);
      const second = await replay();
      sent += second.sent;
      ({ waiting, reason } = second);
    }
    io.out(`${sent} sent to ${traces.endpoint.host}, ${waiting} waiting${reason === undefined ? '' : `: ${reason}`}`);
    if (values.all) return waiting === 0 ? 0 : 1;
    for (const [label, count] of Object.entries(await spool.others()))
      io.out(`${count} waiting for another collector (${label}); --all sends them here`);
    return waiting === 0 ? 0 : 1;
  },
};

async function sleepAlive(ms: number): Promise<void> {
  const alive = systemClock.hold();
  await sleep(systemClock, ms);
  alive.cancel();
}
