import { printable } from '../trace/model/trace.ts';
import type { Command } from './command.ts';
import { CONTROL_USAGE, callControl, controlArgs } from './control-client.ts';

export const command: Command = {
  usage: CONTROL_USAGE,
  summary: 'Undoes the offline of the instance on this machine while the instance notifies or drains.',
  async run(args, io) {
    const options = controlArgs(args);
    const { status, body } = await callControl(options, 'POST', '/online');
    io.out(printable(options.json ? JSON.stringify(body) : `${body['state']}: ${body['message']}`));
    return status < 400 ? 0 : 1;
  },
};
