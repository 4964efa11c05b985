#!/usr/bin/env node
import { unsupportedNode } from '../config/node-version.ts';
import { asError } from '../errors.ts';
import { systemClock } from '../lifecycle/clock.ts';
import type { Command, Io } from './command.ts';

/** Commands by name; the program loads a command only to run it. */
const COMMANDS: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  demo: () => import('./demo.ts'),
  collector: () => import('./collector.ts'),
  inspect: () => import('./inspect.ts'),
  verify: () => import('./verify.ts'),
  offline: () => import('./offline.ts'),
  online: () => import('./online.ts'),
  status: () => import('./status.ts'),
  token: () => import('./token.ts'),
  replay: () => import('./replay.ts'),
  conformance: () => import('./conformance.ts'),
};

/** Errors of `node:util` parseArgs: the command line is wrong, not the program. */
const USAGE_ERROR = /^ERR_PARSE_ARGS_/;

const io: Io = {
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  color: process.stdout.isTTY === true && !process.env['NO_COLOR'],
  width: process.stdout.columns ?? 100,
};

// A reader such as `head` has closed the stream. The command still runs to its end, and its exit code tells the result.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });

// Timers and calls of the plugin keep no process alive, so the command holds itself.
const alive = systemClock.hold();
process.exitCode = await main(process.argv.slice(2));
alive.cancel();

async function main([name, ...args]: readonly string[]): Promise<number> {
  const unsupported = unsupportedNode();
  if (unsupported !== undefined) {
    io.err(unsupported);
    return 2;
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.out(await help());
    return name === undefined ? 2 : 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    io.err(`LOSSLESS_USAGE: there is no command ${name}\n\n${await help()}`);
    return 2;
  }
  const { command } = await load();
  if (args.includes('--help') || args.includes('-h')) {
    io.out(`lossless ${name} ${command.usage}\n\n${command.summary}`);
    return 0;
  }
  try {
    return await command.run(args, io);
  } catch (thrown) {
    const error = asError(thrown);
    const isUsage = USAGE_ERROR.test((error as NodeJS.ErrnoException).code ?? '');
    io.err(isUsage ? `LOSSLESS_USAGE: ${error.message}\nusage: lossless ${name} ${command.usage}` : error.message);
    return 2;
  }
}

async function help(): Promise<string> {
  const rows = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, load]) => ({ name, ...(await load()).command })),
  );
  const width = Math.max(...rows.map(({ name }) => name.length));
  return `usage: lossless <command> [options]\n\n${rows.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}`;
}
