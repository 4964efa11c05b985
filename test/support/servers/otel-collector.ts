import { join, resolve } from 'node:path';
import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { freePort, serverProgram } from './built.ts';
import { ready } from './ready.ts';

const configs = resolve(import.meta.dirname, '../../../collector/otel');

export interface OtelCollectorOptions {
  /** Files of collector/otel; later ones are added to the first. */
  readonly files: readonly ('gateway' | 'agent' | 'kafka')[];
  /** Variables of the configuration beside those of ports and data. */
  readonly env?: Readonly<Record<string, string>>;
}

/** An OpenTelemetry Collector with one of the project's configurations on free ports; it can be stopped and started again on them, and keeps its queue. */
export class OtelCollector {
  readonly #ports: readonly number[];
  readonly #directory = new ScratchFolder();
  readonly #options: OtelCollectorOptions;
  #child: Child | undefined;

  private constructor(ports: readonly number[], options: OtelCollectorOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  static async start(options: OtelCollectorOptions): Promise<OtelCollector> {
    const collector = new OtelCollector(await Promise.all([freePort(), freePort(), freePort()]), options);
    try {
      await collector.start();
    } catch (thrown) {
      await collector.close();
      throw thrown;
    }
    return collector;
  }

  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  get otlpUrl(): string {
    return `http://127.0.0.1:${this.#ports[0]}`;
  }

  /** Its address for OTLP/gRPC. */
  get grpcAddress(): string {
    return `127.0.0.1:${this.#ports[1]}`;
  }

  async start(): Promise<void> {
    const [http, grpc, health] = this.#ports;
    this.#child = new Child(
      serverProgram('collector'),
      this.#options.files.flatMap((name) => ['--config', join(configs, `${name}.yaml`)]),
      {
        env: {
          COLLECTOR_OTLP_HTTP_PORT: `${http}`,
          COLLECTOR_OTLP_GRPC_PORT: `${grpc}`,
          COLLECTOR_HEALTH_PORT: `${health}`,
          COLLECTOR_DATA: this.#directory.path,
          ...this.#options.env,
        },
      },
    );
    await ready(this.#child, `http://127.0.0.1:${health}/`);
  }

  /** Kills it. */
  async stop(): Promise<void> {
    await this.#child?.destroy();
  }

  async close(): Promise<void> {
    await this.stop();
    this.#directory.remove();
  }
}
