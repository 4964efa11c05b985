import { printable } from '../trace/model/trace.ts';
import type { Command } from './command.ts';
import { CONTROL_USAGE, callControl, controlArgs } from './control-client.ts';

export const command: Command = {
  usage: `[--wait] ${CONTROL_USAGE}`,
  summary: 'Makes the instance on this machine leave; with --wait the command returns when the instance has left.',
  async run(args, io) {
    const options = controlArgs(args);
    const { status, body } = await callControl(options, 'POST', `/offline${options.wait ? '?wait=true' : ''}`);
    if (options.json) io.out(printable(JSON.stringify(body)));
    else if (status >= 400) io.err(printable(String(body['message'])));
    else
      for (const line of [body['result'] ?? body['state'], `trace ${body['traceId']}`, body['url']])
        io.out(printable(String(line)));
    if (status >= 400) return 1;
    return body['result'] === undefined || body['result'] === 'success' ? 0 : 1;
  },
};
