import { LosslessError } from '../errors.ts';
import type { Status } from '../status.ts';
import { printable } from '../trace/model/trace.ts';
import type { Command } from './command.ts';
import { CONTROL_USAGE, type ControlArgs, callControl, controlArgs } from './control-client.ts';
import { statusLines } from './status-lines.ts';

export const command: Command = {
  usage: CONTROL_USAGE,
  summary: 'Shows the instance on this machine: state, what it waits for, consumers, weights.',
  async run(args, io) {
    const options = controlArgs(args);
    const { body } = await callControl(options, 'GET', '/status');
    if (options.json) io.out(printable(JSON.stringify(body)));
    else for (const line of linesOf(options, body as unknown as Status)) io.out(line);
    return 0;
  },
};

/** Any program may answer there: reading an incomplete status throws. */
function linesOf({ host, port }: ControlArgs, status: Status): readonly string[] {
  try {
    return statusLines(status, Date.now());
  } catch (cause) {
    throw new LosslessError(
      'LOSSLESS_CONTROL_PORT',
      `no instance answers at ${host} port ${port}: expected its status, received JSON that lacks parts of it; name its port with --port`,
      { cause },
    );
  }
}
