import { parseArgs } from 'node:util';
import { loadOptions } from '../config/options.ts';
import { processEnvironment } from '../config/process-env.ts';
import { LosslessError } from '../errors.ts';
import { systemClock } from '../lifecycle/clock.ts';
import { CollectorClient } from '../trace/collector-client.ts';
import { replaySpool } from '../trace/replay.ts';
import { Spool } from '../trace/spool.ts';
import type { Command } from './command.ts';

export const command: Command = {
  usage: '[--dir LOSSLESS_SPOOL_DIR] [--otlp OTEL_EXPORTER_OTLP_ENDPOINT]',
  summary: 'Sends the spans that waited in the spool because the collector was down.',
  async run(args, io) {
    const { values } = parseArgs({ args: [...args], options: { dir: { type: 'string' }, otlp: { type: 'string' } } });
    const { options, problems } = loadOptions({
      LOSSLESS_SERVICE: 'replay',
      ...processEnvironment(),
      ...(values.dir !== undefined && { LOSSLESS_SPOOL_DIR: values.dir }),
      ...(values.otlp !== undefined && {
        OTEL_EXPORTER_OTLP_ENDPOINT: values.otlp,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: undefined,
      }),
    });
    if (options === undefined)
      throw new LosslessError('LOSSLESS_CONFIG_INVALID', problems.map((problem) => problem.message).join('; '));
    const alive = systemClock.hold();
    const spool = new Spool(options.spoolDir, systemClock, (_, message) => io.err(message));
    const { sent, waiting, reason } = await replaySpool(spool, new CollectorClient(options.traces, systemClock));
    alive.cancel();
    io.out(`${sent} sent, ${waiting} waiting${reason === undefined ? '' : `: ${reason}`}`);
    return waiting === 0 ? 0 : 1;
  },
};
