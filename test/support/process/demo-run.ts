import { Fleet } from '../../../src/cli/demo/fleet.ts';
import { JaegerClient } from '../../../src/cli/jaeger-client.ts';
import type { Trace } from '../../../src/trace/model/trace.ts';
import { assess } from '../../../src/trace/model/verdict.ts';
import { fakeConsumers, type Manner } from '../fakes/fake-consumers.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import type { Jaeger } from '../servers/jaeger.ts';
import { until } from '../until.ts';
import { appPortOf, entered } from './announced.ts';
import { Child } from './child.ts';
import { pluginEnv } from './plugin-env.ts';

const APP = new URL('../../fixtures/apps/app.ts', import.meta.url);

/** Real processes that export to a Jaeger: the fleet of the demo, and single services that leave badly. */
export class DemoRun {
  readonly #folder = new ScratchFolder();
  readonly directory = this.#folder.path;
  readonly jaeger: JaegerClient;
  readonly begun = Date.now();
  readonly #otlpUrl: string;
  readonly #metricsUrl: string | undefined;
  readonly #children: Child[] = [];
  #fleet: Fleet | undefined;

  /** @param metricsUrl target of the metrics of offlines; none by default */
  constructor({ otlpUrl, queryUrl }: Jaeger, metricsUrl?: string) {
    this.#otlpUrl = otlpUrl;
    this.#metricsUrl = metricsUrl;
    this.jaeger = new JaegerClient(new URL(queryUrl));
  }

  /** Rolls the fleet under load: `rolls` shutdowns, of service-a, service-b and service-c in turn. */
  async roll(rolls: number, perSecond: number): Promise<void> {
    this.#fleet = new Fleet({ name: 'gray', env: this.env(), byHand: undefined, message: () => {} });
    await this.#fleet.start();
    this.#fleet.startLoad(perSecond);
    for (let n = 0; n < rolls; n++) await this.#fleet.roll();
    await this.#fleet.stopLoad();
  }

  /** Starts a service with some consumers, which its shutdown tells. */
  async service(name: string, manners: readonly Manner[], env: Readonly<Record<string, string>> = {}): Promise<Leaver> {
    const child = Child.node(APP, {
      env: { ...this.env(), OTEL_SERVICE_NAME: name, LOSSLESS_HOLD_MS: '300', ...env },
    });
    this.#children.push(child);
    const port = await appPortOf(child);
    await entered(child, 'warming');
    return new Leaver(child, port, await fakeConsumers(port, manners));
  }

  env(): Record<string, string> {
    return pluginEnv(this.directory, {
      LOSSLESS_GOAWAY_TIMEOUT_MS: '2000',
      LOSSLESS_WARMUP_MS: '2000',
      OTEL_EXPORTER_OTLP_ENDPOINT: this.#otlpUrl,
      ...(this.#metricsUrl === undefined
        ? { OTEL_METRICS_EXPORTER: 'none' }
        : { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: this.#metricsUrl }),
    });
  }

  /**
   * Every shutdown, once `count` are there; oldest first. Those of the fleet are whole; the others have only the spans of the
   * service that left, because fake consumers make none.
   */
  async traces(count: number): Promise<readonly Trace[]> {
    let traces: readonly Trace[] = [];
    let lacking: readonly string[] = [];
    const isThere = async (): Promise<boolean> => {
      traces = await this.#with('lossless.offline.started');
      lacking = traces
        .map(assess)
        .filter(({ whole, service }) => !whole && service.startsWith('service-'))
        .map(({ traceId, service, problems }) => `${service} ${traceId}: ${problems.join('; ')}`);
      return traces.length >= count && lacking.length === 0;
    };
    await until(isThere).catch(() => {
      throw new Error(`${traces.length} of ${count} traces\n${lacking.join('\n')}`);
    });
    return traces;
  }

  /** Whether the marker of a shutdown of this service has arrived. */
  async hasBegunToLeave(service: string): Promise<boolean> {
    const found = await this.jaeger.search({ service, operation: 'lossless.offline.started', since: this.begun });
    return found.length > 0;
  }

  /** Every start, once all of them have ended; oldest first. */
  async starts(): Promise<readonly Trace[]> {
    let traces: readonly Trace[] = [];
    await until(async () => {
      traces = await this.#with('lossless.online.started');
      return traces.every(({ spans }) => spans.some(({ name }) => name === 'lossless.online'));
    });
    return traces;
  }

  async #with(operation: string): Promise<readonly Trace[]> {
    const services = await this.jaeger.services();
    const found = await Promise.all(
      services.map((service) => this.jaeger.search({ service, operation, since: this.begun })),
    );
    return found.flat().sort((a, b) => (a.spans[0]?.start ?? 0) - (b.spans[0]?.start ?? 0));
  }

  async close(): Promise<void> {
    await this.#fleet?.close();
    await Promise.all(this.#children.map((child) => child.destroy()));
    this.#folder.remove();
  }
}

/** A service that will leave. */
class Leaver {
  readonly child: Child;
  readonly #port: number;
  readonly #consumers: { close(): void };

  constructor(child: Child, port: number, consumers: { close(): void }) {
    this.child = child;
    this.#port = port;
    this.#consumers = consumers;
  }

  /** Makes it leave, and resolves when it has ended. */
  async leave(): Promise<void> {
    this.child.signal('SIGTERM');
    await this.child.ends();
    this.#consumers.close();
  }

  /** Sends a request that outlasts the process. */
  hang(): void {
    void fetch(`http://127.0.0.1:${this.#port}/slow?ms=60000`, { method: 'POST', body: 'x' }).catch(() => {});
  }

  /** Makes it leave, and kills it as soon as `isKnown` resolves with true. */
  async killWhileLeaving(isKnown: () => Promise<boolean>): Promise<void> {
    this.child.signal('SIGTERM');
    await until(isKnown);
    this.child.signal('SIGKILL');
    await this.child.ends();
    this.#consumers.close();
  }
}
