import { type Collector, startCollector } from '../../collector/server/server.ts';

/** The embedded collector on a free port of loopback, with its traces in memory unless told otherwise. */
export function embeddedCollector(options: Partial<Parameters<typeof startCollector>[0]> = {}): Promise<Collector> {
  return startCollector({
    host: '127.0.0.1',
    ports: [0],
    database: ':memory:',
    maxAgeMs: 3_600_000,
    maxBytes: 2 ** 30,
    ...options,
  });
}
