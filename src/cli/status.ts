import type { Command } from './command.ts';
import { CONTROL_USAGE, callControl, controlArgs } from './control-client.ts';

export const command: Command = {
  usage: CONTROL_USAGE,
  summary: 'Shows the instance on this machine: state, consumers, address lists.',
  async run(args, io) {
    const options = controlArgs(args);
    const { status, body } = await callControl(options, 'GET', '/status');
    io.out(options.json ? JSON.stringify(body) : lines(body, '').join('\n'));
    return status < 400 ? 0 : 1;
  },
};

/** One line for each fact, nested ones indented. */
function lines(body: object, indent: string): string[] {
  return Object.entries(body).flatMap(([name, value]) => {
    if (typeof value !== 'object' || value === null) return [`${indent}${name}: ${value}`];
    if (Array.isArray(value) && value.every((entry) => typeof entry !== 'object'))
      return [`${indent}${name}: ${value.join(', ') || '-'}`];
    return [`${indent}${name}`, ...lines(value, `${indent}  `)];
  });
}
