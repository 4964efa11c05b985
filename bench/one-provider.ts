import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Collector, startCollector } from '../collector/server/server.ts';
import { JaegerClient } from '../src/cli/jaeger-client.ts';
import type { Trace } from '../src/trace/model/trace.ts';
import { pause, pluginEnvironment } from './fleet.ts';

/** One provider with the plugin, and a collector that takes its trace. */
export interface OneProvider {
  readonly child: ChildProcess;
  readonly port: number;
  readonly registryUrl: string;
  readonly directory: string;
  readonly collector: Collector;
  /** What it wrote to standard error. */
  readonly log: () => string;
  /** Sends SIGTERM, waits for the end, and reads the trace. */
  leave(): Promise<Trace>;
  close(): Promise<void>;
}

export async function startOneProvider(more: Readonly<Record<string, string>> = {}): Promise<OneProvider> {
  const directory = mkdtempSync(join(tmpdir(), 'lossless-bench-'));
  const registryUrl = pathToFileURL(join(directory, 'registry')).href;
  const collector = await startCollector({
    host: '127.0.0.1',
    ports: [0],
    database: ':memory:',
    maxAgeMs: 3_600_000,
    maxBytes: 2 ** 30,
  });
  const env = pluginEnvironment('provider', registryUrl, directory, {
    OTEL_SDK_DISABLED: 'false',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.otlpUrl,
    ...more,
  });
  const child = fork(fileURLToPath(new URL('provider.ts', import.meta.url)), ['plugin', registryUrl], {
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log += String(chunk);
  });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  while (!log.includes('registering -> warming')) await pause(10);
  return {
    child,
    port,
    registryUrl,
    directory,
    collector,
    log: () => log,
    async leave() {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
      const [, traceId = ''] = /\/trace\/([0-9a-f]{32})/.exec(log) ?? [];
      return new JaegerClient(new URL(collector.queryUrl)).trace(traceId);
    },
    async close() {
      child.kill('SIGKILL');
      await collector.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
