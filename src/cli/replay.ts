import { parseArgs } from 'node:util';
import type { Target } from '../config/target.ts';
import { sleep, systemClock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import { CollectorClient } from '../trace/collector-client.ts';
import { STILL_MS } from '../trace/deaths.ts';
import { type Replayed, replaySpool } from '../trace/replay.ts';
import { Spool } from '../trace/spool.ts';
import { targetLabel } from '../trace/target-label.ts';
import type { Command, Io } from './command.ts';
import { configured } from './configured.ts';

export const command: Command = {
  usage: '[--dir LOSSLESS_SPOOL_DIR] [--otlp OTEL_EXPORTER_OTLP_ENDPOINT] [--all]',
  summary:
    'Sends the spans and metrics that are spooled for this collector, with --all also those for other collectors.',
  async run(args, io) {
    const { values } = parseArgs({
      args: [...args],
      options: { dir: { type: 'string' }, otlp: { type: 'string' }, all: { type: 'boolean', default: false } },
    });
    const { exported, metrics, spoolDir, traces } = configured({
      ...(values.dir !== undefined && { LOSSLESS_SPOOL_DIR: values.dir }),
      ...(values.otlp !== undefined && {
        OTEL_EXPORTER_OTLP_ENDPOINT: values.otlp,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: undefined,
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: undefined,
      }),
    });
    const waiting = await replayTo(traces, spoolDir, values.all, io);
    if (!exported.metrics) return waiting === 0 ? 0 : 1;
    return waiting + (await replayTo(metrics, spoolDir, values.all, io)) === 0 ? 0 : 1;
  },
};

/** Sends the spooled files of one signal. Resolves with the number that still wait. */
async function replayTo(target: Target, directory: string, everyTarget: boolean, io: Io): Promise<number> {
  const log: Log = (_, message) => io.err(message);
  const clock = systemClock;
  const spool = new Spool({ directory, target: targetLabel(target), signal: target.signal, clock, log });
  const collector = new CollectorClient(target, clock);
  const replay = (): Promise<Replayed> => replaySpool({ spool, collector, clock, log, everyTarget });
  const first = await replay();
  let { waiting, reason } = first;
  let { sent } = first;
  if (first.unsure > 0) {
    io.err(
      `${first.unsure} processes of other containers may still be leaving; this command reads their files again in a moment`,
    );
    await sleepAlive(STILL_MS);
    const second = await replay();
    sent += second.sent;
    ({ waiting, reason } = second);
  }
  const why = reason === undefined ? '' : `: ${reason}`;
  const of = target.signal === 'traces' ? '' : `${spool.items}: `;
  if (of === '' || sent + waiting > 0) io.out(`${of}${sent} sent to ${target.endpoint.host}, ${waiting} waiting${why}`);
  if (first.removed > 0) io.out(`${of}${first.removed} removed${why}`);
  if (everyTarget) return waiting;
  for (const [label, count] of Object.entries(await spool.others()))
    io.out(`${count} waiting for another collector (${label}); --all sends them here`);
  return waiting;
}

async function sleepAlive(ms: number): Promise<void> {
  const alive = systemClock.hold();
  await sleep(systemClock, ms);
  alive.cancel();
}
