import { join, resolve } from 'node:path';
import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { freePort, serverMissing, serverProgram } from './built.ts';
import { ready } from './ready.ts';

const configs = resolve(import.meta.dirname, '../../../collector/jaeger');

/** A running Jaeger. */
export interface Jaeger {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly otlpUrl: string;
  readonly queryUrl: string;
  /** Its span metrics, for Prometheus. */
  readonly metricsUrl: string;
  close(): Promise<void>;
}

export interface JaegerOptions {
  /** Files of collector/jaeger to add to `jaeger.yaml`. */
  readonly with?: readonly ('badger' | 'kafka')[];
  /** Variables of the configuration beside those of ports and data. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Why the tests with a real Jaeger are skipped; false when they run. Under LOSSLESS_REQUIRE_SERVERS a missing server fails them
 * instead.
 */
export function jaegerMissing(): string | false {
  const missing = process.env['LOSSLESS_TEST_JAEGER'] ? false : serverMissing('jaeger');
  return missing && `${missing}, or name a running one with LOSSLESS_TEST_JAEGER=http://host:16686`;
}

/** Starts Jaeger on free ports, or takes the one LOSSLESS_TEST_JAEGER names (its OTLP/HTTP port: LOSSLESS_TEST_JAEGER_OTLP, else 4318; the URL of its span metrics: LOSSLESS_TEST_JAEGER_METRICS, else `:8889/metrics`). */
export async function startJaeger(): Promise<Jaeger> {
  const running = process.env['LOSSLESS_TEST_JAEGER'];
  if (!running) return OwnJaeger.start();
  const { hostname } = new URL(running);
  return {
    otlpUrl: process.env['LOSSLESS_TEST_JAEGER_OTLP'] ?? `http://${hostname}:4318`,
    queryUrl: running.replace(/\/$/, ''),
    metricsUrl: process.env['LOSSLESS_TEST_JAEGER_METRICS'] ?? `http://${hostname}:8889/metrics`,
    close: async () => {},
  };
}

/** A Jaeger with the project's configuration on free ports; it can be stopped and started again on them, and keeps data on disk. */
export class OwnJaeger implements Jaeger {
  readonly #ports: readonly number[];
  readonly #directory = new ScratchFolder();
  readonly #options: JaegerOptions;
  #child: Child | undefined;

  private constructor(ports: readonly number[], options: JaegerOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  static async start(options: JaegerOptions = {}): Promise<OwnJaeger> {
    const jaeger = new OwnJaeger(await Promise.all(Array.from({ length: 6 }, freePort)), options);
    try {
      await jaeger.start();
    } catch (thrown) {
      await jaeger.close();
      throw thrown;
    }
    return jaeger;
  }

  get otlpUrl(): string {
    return this.#url(0);
  }

  get queryUrl(): string {
    return this.#url(1);
  }

  get metricsUrl(): string {
    return `${this.#url(2)}/metrics`;
  }

  /** The running process. */
  get process(): Child {
    if (this.#child === undefined) throw new Error('Jaeger does not run');
    return this.#child;
  }

  async start(): Promise<void> {
    const [otlp, query, metrics, health, otlpGrpc, queryGrpc] = this.#ports;
    const files = ['jaeger', ...(this.#options.with ?? [])];
    this.#child = new Child(
      serverProgram('jaeger'),
      files.flatMap((name) => ['--config', join(configs, `${name}.yaml`)]),
      {
        env: {
          JAEGER_OTLP_HTTP_PORT: `${otlp}`,
          JAEGER_OTLP_GRPC_PORT: `${otlpGrpc}`,
          JAEGER_QUERY_HTTP_PORT: `${query}`,
          JAEGER_QUERY_GRPC_PORT: `${queryGrpc}`,
          JAEGER_METRICS_PORT: `${metrics}`,
          JAEGER_HEALTH_PORT: `${health}`,
          JAEGER_SPANMETRICS_FLUSH: '1s',
          JAEGER_DATA: this.#directory.path,
          ...this.#options.env,
        },
      },
    );
    await ready(this.#child, `http://127.0.0.1:${health}/status`);
  }

  /** Kills it. */
  async stop(): Promise<void> {
    await this.#child?.destroy();
  }

  async close(): Promise<void> {
    await this.stop();
    this.#directory.remove();
  }

  #url(port: number): string {
    return `http://127.0.0.1:${this.#ports[port]}`;
  }
}
