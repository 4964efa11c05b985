import { JaegerClient } from '../src/cli/jaeger-client.ts';
import type { Trace } from '../src/trace/model/trace.ts';
import { embeddedCollector } from '../test/support/embedded-collector.ts';
import { entered } from '../test/support/process/announced.ts';
import { Child } from '../test/support/process/child.ts';
import { registryIn } from '../test/support/process/plugin-env.ts';
import { ScratchFolder } from '../test/support/scratch-folder.ts';
import { pluginEnvironment } from './fleet.ts';

const PROVIDER = new URL('provider.ts', import.meta.url);

/** One provider with the plugin, and a collector that takes its trace. */
export interface OneProvider {
  readonly child: Child;
  readonly port: number;
  /** Sends SIGTERM, waits for the end, and reads the trace. */
  leave(): Promise<Trace>;
  close(): Promise<void>;
}

export async function startOneProvider(more: Readonly<Record<string, string>> = {}): Promise<OneProvider> {
  const folder = new ScratchFolder();
  const collector = await embeddedCollector();
  const env = pluginEnvironment('provider', folder.path, {
    OTEL_SDK_DISABLED: 'false',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.otlpUrl,
    ...more,
  });
  const child = Child.node(PROVIDER, { args: ['plugin', registryIn(folder.path)], env, ipc: true });
  const { port } = await child.receives<{ port: number }>();
  await entered(child, 'warming');
  return {
    child,
    port,
    async leave() {
      child.signal('SIGTERM');
      await child.ends();
      const [, traceId = ''] = /\/trace\/([0-9a-f]{32})/.exec(child.stderr) ?? [];
      return new JaegerClient(new URL(collector.queryUrl)).trace(traceId);
    },
    async close() {
      await child.destroy();
      await collector.close();
      folder.remove();
    },
  };
}
