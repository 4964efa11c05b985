import { type Collector, startCollector } from '../../collector/server/server.ts';

/** Starts the embedded collector on a free port of loopback, by default with its traces in memory. */
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
