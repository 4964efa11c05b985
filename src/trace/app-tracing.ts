import { syncBuiltinESMExports } from 'node:module';

/** Packages that request traces need: optional peers, which the application or this package has installed. */
const PACKAGES = [
  '@opentelemetry/sdk-node',
  '@opentelemetry/instrumentation-http',
  '@opentelemetry/instrumentation-undici',
] as const;

/** Where every copy of `@opentelemetry/api` 1.x keeps its globals. */
const API = Symbol.for('opentelemetry.js.api.1');

/** Request traces of an application that has no SDK of its own. */
export interface AppTracing {
  /** Sends the waiting spans. */
  shutdown(): Promise<void>;
}

export interface AppTracingOptions {
  /** Name of the service; undefined when the environment names it for OpenTelemetry. */
  readonly service: string | undefined;
  /** Where the packages are looked for, in this order. */
  readonly requires: readonly NodeJS.Require[];
  /** Arguments of Node.js itself, NODE_OPTIONS included. */
  readonly nodeArguments: string;
}

/** Why nothing was started. */
export interface NotStarted {
  readonly level: 'info' | 'warn';
  readonly reason: string;
}

/**
 * Starts `@opentelemetry/sdk-node` with instrumentations of `node:http` and undici, before the application is loaded. The standard
 * `OTEL_*` variables configure sampler, exporter and propagators. Starts nothing when the application has its own SDK.
 */
export function startAppTracing(options: AppTracingOptions): AppTracing | NotStarted {
  const { trace } = (globalThis as { [API]?: { trace?: unknown } })[API] ?? {};
  if (trace !== undefined || options.nodeArguments.includes('@opentelemetry/'))
    return {
      level: 'info',
      reason: 'the application has its own OpenTelemetry SDK; LOSSLESS_APP_TRACING leaves it alone',
    };
  const found = options.requires.find((require) => PACKAGES.every((name) => resolves(require, name)));
  if (found === undefined)
    return {
      level: 'warn',
      reason: `LOSSLESS_APP_TRACING needs packages that are missing: npm install ${PACKAGES.join(' ')}`,
    };
  const [sdkNode, { HttpInstrumentation }, { UndiciInstrumentation }] = PACKAGES.map((name) => found(name));
  const sdk = new sdkNode.NodeSDK({
    ...(options.service !== undefined && { serviceName: options.service }),
    instrumentations: [new HttpInstrumentation(), new UndiciInstrumentation()],
    metricReaders: [],
    logRecordProcessors: [],
  });
  sdk.start();
  // Instrumentation wraps a module when it is required, and an ES module never requires it. So require both here, then give ES
  // modules the wrapped functions.
  for (const name of ['node:http', 'node:https']) found(name);
  syncBuiltinESMExports();
  return { shutdown: () => sdk.shutdown() };
}

function resolves(require: NodeJS.Require, name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}
