import { parseArgs } from 'node:util';
import { systemClock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import { CollectorClient } from '../trace/collector-client.ts';
import { replaySpool } from '../trace/replay.ts';
import { Spool } from '../trace/spool.ts';
import type { Command } from './command.ts';
import { configured } from './configured.ts';

export const command: Command = {
  usage: '[--dir LOSSLESS_SPOOL_DIR] [--otlp OTEL_EXPORTER_OTLP_ENDPOINT]',
  summary: 'Sends the spans that waited in the spool because the collector was down.',
  async run(args, io) {
    const { values } = parseArgs({ args: [...args], options: { dir: { type: 'string' }, otlp: { type: 'string' } } });
    const { spoolDir, traces } = configured({
      ...(values.dir !== undefined && { LOSSLESS_SPOOL_DIR: values.dir }),
      ...(values.otlp !== undefined && {
        OTEL_EXPORTER_OTLP_ENDPOINT: values.otlp,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: undefined,
      }),
    });
    const log: Log = (_, message) => io.err(message);
    const spool = new Spool(spoolDir, systemClock, log);
    const collector = new CollectorClient(traces, systemClock);
    const { sent, waiting, reason } = await replaySpool({ spool, collector, log });
    io.out(`${sent} sent, ${waiting} waiting${reason === undefined ? '' : `: ${reason}`}`);
    return waiting === 0 ? 0 : 1;
  },
};
