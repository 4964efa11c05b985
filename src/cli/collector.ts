import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { isLoopback, startCollector } from '../../collector/server/server.ts';
import { asError, LosslessError } from '../errors.ts';
import type { Command } from './command.ts';
import { given, httpUrl } from './given.ts';
import { whole } from './whole.ts';

const HOUR_MS = 3_600_000;
const MIB = 1_048_576;

export const command: Command = {
  usage:
    '[--host 127.0.0.1] [--port 4318] [--query-port 16686] [--db FILE] [--max-age HOURS] [--max-size MIB] [--jaeger URL]',
  summary: 'Keeps the traces of this machine: takes OTLP/HTTP, answers queries like Jaeger.',
  async run(args, io) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        host: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string', default: '4318' },
        'query-port': { type: 'string', default: '16686' },
        db: { type: 'string' },
        'max-age': { type: 'string', default: '48' },
        'max-size': { type: 'string', default: '512' },
        jaeger: { type: 'string' },
      },
    });
    const database = values.db ?? defaultDatabase();
    if (database !== ':memory:') mkdirSync(dirname(database), { recursive: true, mode: 0o700 });
    const collector = await startCollector({
      host: values.host,
      ports: [whole('--port', values.port, 0, 65_535), whole('--query-port', values['query-port'], 0, 65_535)],
      database,
      maxAgeMs: whole('--max-age', values['max-age'], 1, 24 * 365) * HOUR_MS,
      jaegerUrl: given('--jaeger', values.jaeger, httpUrl),
      maxBytes: whole('--max-size', values['max-size'], 1, 1_048_576) * MIB,
      ...(values.db === undefined && { isOurs: true }),
      onDamage: (message) => io.err(message),
    }).catch((thrown) => {
      const reason = `the collector cannot start (${asError(thrown).message})`;
      throw new LosslessError('LOSSLESS_USAGE', `${reason}; choose another --port, --query-port, --host or --db`);
    });
    const ended = new Promise((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve);
    });
    io.out(`OTLP/HTTP (JSON): ${collector.otlpUrl}\npage and queries: ${collector.queryUrl}\ndatabase: ${database}`);
    if (!isLoopback(values.host))
      io.err(
        `warning: everyone who reaches ${values.host} can read all traces and send new ones, because there is no password; keep other machines away, or leave out --host`,
      );
    await ended;
    await collector.close();
    return 0;
  },
};

function defaultDatabase(): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return join(cache, 'lossless-lifecycle', 'traces.sqlite');
}
