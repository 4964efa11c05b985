import type { Status } from '../status.ts';
import type { Command } from './command.ts';
import { CONTROL_USAGE, callControl, controlArgs } from './control-client.ts';
import { statusLines } from './status-lines.ts';

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
