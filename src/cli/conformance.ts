import { parseArgs } from 'node:util';
import { LosslessError } from '../errors.ts';
import { systemClock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import { trustOf } from '../plugin/trust.ts';
import { openRegistries } from '../registry/open.ts';
import type { Command } from './command.ts';
import { configured } from './configured.ts';
import { againstConsumer } from './conformance/against-consumer.ts';
import { againstProvider } from './conformance/against-provider.ts';
import { Findings } from './conformance/rules.ts';
import { whole } from './whole.ts';

/** Default of `--wait`: longest wait for the program under test, in milliseconds. */
const WAIT_MS = '60000';

export const command: Command = {
  usage: 'consumer|provider [--service conformance] [--pid P] [--path /] [--host 127.0.0.1] [--wait 60000]',
  summary: 'Tests a consumer or a provider, in any language, over the wire against the rules of docs/protocol.md.',
  async run(args, io) {
    const { positionals, values } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        service: { type: 'string', default: 'conformance' },
        pid: { type: 'string' },
        path: { type: 'string', default: '/' },
        host: { type: 'string', default: '127.0.0.1' },
        wait: { type: 'string', default: WAIT_MS },
      },
    });
    const [side, more] = positionals;
    if ((side !== 'consumer' && side !== 'provider') || more !== undefined)
      throw new LosslessError(
        'LOSSLESS_USAGE',
        `expected consumer or provider, received ${positionals.join(' ') || 'nothing'}`,
      );
    const options = configured();
    const log: Log = (_, message) => io.err(message);
    const trust = trustOf(options, systemClock, log);
    const findings = new Findings(io, trust.keys !== undefined);
    const registry = await openRegistries(options.registries, { clock: systemClock, log });
    const { host, service } = values;
    const waitMs = whole('--wait', values.wait, 1, 3_600_000);
    const against = { registry, service, host, trust, findings, waitMs, tell: io.err };
    const pid = values.pid === undefined ? undefined : whole('--pid', values.pid, 1, 2 ** 31 - 1);
    try {
      if (side === 'consumer') await againstConsumer(against);
      else await againstProvider(against, { pid, path: values.path });
    } finally {
      await registry.close();
    }
    io.out(findings.broken === 0 ? 'every tested rule holds' : `rules broken: ${findings.broken}`);
    return findings.broken === 0 ? 0 : 1;
  },
};
