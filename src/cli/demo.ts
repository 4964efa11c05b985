import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startCollector } from '../../collector/server/server.ts';
import { registryUrls } from '../config/registries.ts';
import { asError, LosslessError } from '../errors.ts';
import { systemClock } from '../lifecycle/clock.ts';
import { openRegistries } from '../registry/open.ts';
import type { Command, Io } from './command.ts';
import { EntrySet } from './demo/entry-set.ts';
import { Fleet, type Platform } from './demo/fleet.ts';
import { grpcFile } from './demo/grpc-calls.ts';
import { programs } from './demo/proxy.ts';
import { type Plan, sideBySide } from './demo/side-by-side.ts';
import { given, httpUrl } from './given.ts';
import { whole } from './whole.ts';

export const command: Command = {
  usage: '[--entry | --grpc] [--seconds 60] [--rate 100] [--registry URL] [--otlp URL [--jaeger URL]] [--json]',
  summary:
    'Runs the same fleet twice under load and rolling restarts, by hand and with the plugin, and counts failed requests. With --entry callers without the plugin reach the applications through HAProxy and nginx; install both first. With --grpc the services make every other call with @grpc/grpc-js; install it in this folder first.',
  async run(args, io) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seconds: { type: 'string', default: '60' },
        rate: { type: 'string', default: '100' },
        registry: { type: 'string' },
        otlp: { type: 'string' },
        jaeger: { type: 'string' },
        json: { type: 'boolean', default: false },
        entry: { type: 'boolean', default: false },
        grpc: { type: 'boolean', default: false },
      },
    });
    if (values.jaeger !== undefined && values.otlp === undefined)
      throw new LosslessError(
        'LOSSLESS_USAGE',
        '--jaeger names the Jaeger that shows the spans sent to --otlp; name both',
      );
    if (values.entry && values.grpc)
      throw new LosslessError('LOSSLESS_USAGE', '--entry and --grpc are two demos; name one of them');
    const options: DemoOptions = {
      seconds: whole('--seconds', values.seconds, 5, 86_400),
      rate: whole('--rate', values.rate, 1, 10_000),
      registry: values.registry,
      otlp: given('--otlp', values.otlp, httpUrl),
      jaeger: given('--jaeger', values.jaeger, httpUrl),
      json: values.json,
      entry: values.entry,
      grpcFile: values.grpc ? grpcFile(process.cwd()) : undefined,
    };
    if (options.entry) programs();
    if (options.registry !== undefined) await tryRegistry(options.registry);
    const directory = mkdtempSync(join(tmpdir(), 'lossless-demo-'));
    try {
      return await runDemo(options, directory, io);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

/**
 * Asks the registry once, before fourteen processes do.
 *
 * @throws LosslessError LOSSLESS_USAGE, LOSSLESS_REGISTRY_URL or LOSSLESS_REGISTRY_UNAVAILABLE
 */
async function tryRegistry(text: string): Promise<void> {
  const registry = await openRegistries(urlsOf(text), { clock: systemClock, log: () => {} });
  try {
    await registry.instances('gateway');
    if (registry.capabilities.registers === false)
      throw new LosslessError(
        'LOSSLESS_USAGE',
        'expected a --registry in which processes register themselves, received Kubernetes, which lists pods; see docs/registries/kubernetes.md',
      );
  } finally {
    await registry.close();
  }
}

function urlsOf(text: string): readonly URL[] {
  try {
    return registryUrls(text);
  } catch (thrown) {
    throw new LosslessError('LOSSLESS_USAGE', `--registry ${asError(thrown).message}`);
  }
}

export interface DemoOptions {
  readonly seconds: number;
  readonly rate: number;
  readonly registry?: string | undefined;
  readonly otlp?: URL | undefined;
  readonly jaeger?: URL | undefined;
  readonly json: boolean;
  /** Runs callers without the plugin, behind proxies. Default: false. */
  readonly entry?: boolean;
  /** The file of grpc-js, which makes every other call between services. Default: all calls go by HTTP. */
  readonly grpcFile?: string | undefined;
  /** Needed for a registry in which processes cannot register themselves: Kubernetes. */
  readonly platform?: Platform;
}

/** Runs both sets side by side. @returns the exit code */
export async function runDemo(options: DemoOptions, directory: string, io: Io): Promise<number> {
  const store = await traceStore(options, directory);
  try {
    io.err(`shutdowns as they happen: ${store.jaeger.href}`);
    return await sideBySide(
      (options.entry ? entryPlan : fleetPlan)(options, directory, store, io),
      options,
      store.jaeger,
      io,
    );
  } finally {
    await store.close();
  }
}

function fleetPlan(options: DemoOptions, directory: string, store: TraceStore, io: Io): Plan {
  const { grpcFile, platform } = options;
  const common = { grpcFile, platform, message: io.err };
  const calls = grpcFile === undefined ? '' : ', each call by HTTP and by gRPC in turn,';
  return {
    about: `gateway -> service-a -> service-b -> service-c${calls} twice: by hand (base) and with the plugin (gray)`,
    rollEveryMs: 4_000,
    base: new Fleet({ name: 'base', env: {}, byHand: registryOf(options, directory, 'base'), ...common }),
    gray: new Fleet({ name: 'gray', env: pluginEnvironment(options, directory, store), byHand: undefined, ...common }),
  };
}

function entryPlan(options: DemoOptions, directory: string, store: TraceStore, io: Io): Plan {
  const set = (name: string, env: Readonly<Record<string, string>> | undefined) =>
    new EntrySet({ name, env, directory: join(directory, name), message: io.err });
  return {
    about:
      'clients -> HAProxy (tcp) -> nginx beside each application -> application twice: by hand, with a flag file and a fixed sleep (base), and with the plugin (gray)',
    // Longer than the hand-written sleep, a start, and the balancer's checks of it together.
    rollEveryMs: 14_000,
    base: set('base', undefined),
    gray: set('gray', pluginEnvironment(options, directory, store)),
  };
}

/** Where spans are sent, and where traces are read. */
interface TraceStore {
  readonly otlp: URL;
  readonly jaeger: URL;
  close(): Promise<void>;
}

/** The given store, or a collector of this demo. */
async function traceStore({ jaeger, otlp }: DemoOptions, directory: string): Promise<TraceStore> {
  if (otlp !== undefined)
    return { otlp, jaeger: jaeger ?? new URL(`http://${otlp.hostname}:16686`), close: async () => {} };
  const collector = await startCollector({
    host: '127.0.0.1',
    ports: [0],
    database: join(directory, 'traces.sqlite'),
    maxAgeMs: 86_400_000,
    maxBytes: 1 << 30,
  });
  return {
    otlp: new URL(collector.otlpUrl),
    jaeger: new URL(collector.queryUrl),
    close: () => collector.close(),
  };
}

/** The given registry for both sets, or a directory for each. */
function registryOf({ registry }: DemoOptions, directory: string, set: string): string {
  return registry ?? new URL(`file://${join(directory, `registry-${set}`)}`).href;
}

function pluginEnvironment(
  options: DemoOptions,
  directory: string,
  { jaeger, otlp }: TraceStore,
): Record<string, string> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return {
    NODE_OPTIONS: `--import=${new URL(`../register.${extension}`, import.meta.url).href}`,
    LOSSLESS_ENABLED: 'true',
    LOSSLESS_REGISTRY: registryOf(options, directory, 'gray'),
    LOSSLESS_CONTROL_PORT: '0',
    LOSSLESS_CONTROL_HOST: options.platform?.host ?? '127.0.0.1',
    LOSSLESS_SPOOL_DIR: join(directory, 'spool'),
    LOSSLESS_JAEGER_URL: jaeger.href,
    // Shorter than the demo, so that the warm-up shows.
    LOSSLESS_WARMUP_MS: '5000',
    // Longer than the default: twenty processes share this machine.
    LOSSLESS_GOAWAY_TIMEOUT_MS: '2000',
    LOSSLESS_STRICT: 'true',
    OTEL_EXPORTER_OTLP_ENDPOINT: otlp.href,
  };
}
