import type { Command } from './command.ts';
import { CONTROL_USAGE, callControl, controlArgs } from './control-client.ts';

export const command: Command = {
  usage: `[--wait] ${CONTROL_USAGE}`,
  summary: 'Lets the instance on this machine leave; --wait returns when it has left.',
  async run(args, io) {
    const options = controlArgs(args);
    const { status, body } = await callControl(options, 'POST', `/offline${options.wait ? '?wait=true' : ''}`);
    if (options.json) io.out(JSON.stringify(body));
    else if (status >= 400) io.err(String(body['message']));
    else io.out(`${body['result'] ?? body['state']}\ntrace ${body['traceId']}\n${body['url']}`);
    if (status >= 400) return 1;
    return body['result'] === undefined || body['result'] === 'success' ? 0 : 1;
  },
};
