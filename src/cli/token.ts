import { parseArgs } from 'node:util';
import { LosslessError } from '../errors.ts';
import { systemClock } from '../lifecycle/clock.ts';
import { trustOf } from '../plugin/trust.ts';
import type { Command } from './command.ts';
import { configured } from './configured.ts';

export const command: Command = {
  usage: '',
  summary: 'Prints the bearer token of the control ports, derived from LOSSLESS_SECRET, for curl.',
  async run(args, io) {
    parseArgs({ args: [...args], options: {} });
    const { keys } = trustOf(configured(), systemClock, () => {});
    if (keys === undefined)
      throw new LosslessError(
        'LOSSLESS_CONFIG_INVALID',
        'there is no token without a secret; set the LOSSLESS_SECRET or LOSSLESS_SECRET_FILE of the instances',
      );
    io.out(keys.token);
    return 0;
  },
};
