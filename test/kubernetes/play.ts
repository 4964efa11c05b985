import { setTimeout as sleep } from 'node:timers/promises';
import { type Collector, startCollector } from '../../collector/server/server.ts';
import { Cluster, type ClusterOptions } from '../support/kubernetes/cluster.ts';
import { type Manifest, pathOf } from '../support/kubernetes/manifest.ts';
import { CONTROL_PLANE } from '../support/kubernetes/network.ts';
import { NAMESPACE } from '../support/servers/kubernetes.ts';
import { until } from '../support/until.ts';
import { type CallerName, Callers, type Counted, urlOf } from './callers.ts';
import { type Departure, Departures } from './departures.ts';
import { EVENTS, type EventName, restore, settled } from './events.ts';
import { applicationOf, hasPlugin, type SetName } from './sets.ts';

/** How long callers go on before an event and after it, in milliseconds. */
const AROUND_MS = 3_000;

/** Longest wait for all pods of a set to leave at once, in milliseconds. */
const LEAVING_MS = 60_000;

/** What one event was like. */
export interface Played {
  readonly set: SetName;
  readonly event: EventName;
  readonly callers: Readonly<Partial<Record<CallerName, Counted>>>;
  readonly departures: readonly Departure[];
}

/** A cluster in which the application runs as one set after the other. */
export class Stage {
  readonly #cluster: Cluster;
  readonly #collector: Collector;
  readonly #departures: Departures;
  #deployed: readonly Manifest[] = [];

  private constructor(cluster: Cluster, collector: Collector) {
    this.#cluster = cluster;
    this.#collector = collector;
    this.#departures = new Departures(cluster.kubernetes);
  }

  /** In the namespaces of `onControlPlane`. */
  static async open(options: ClusterOptions): Promise<Stage> {
    const cluster = await Cluster.start(options);
    const inMemory = { ports: [0], database: ':memory:', maxAgeMs: 3_600_000, maxBytes: 2 ** 28 };
    return new Stage(cluster, await startCollector({ host: CONTROL_PLANE, ...inMemory }));
  }

  /** Deploys a set and plays these events, one after the other. */
  async *play(set: SetName, events: readonly EventName[]): AsyncGenerator<Played> {
    const { kubernetes } = this.#cluster;
    const { otlpUrl, queryUrl } = this.#collector;
    if (events.length > 0) await this.#deploy(applicationOf(set, otlpUrl));
    for (const event of events) {
      this.#departures.take();
      const callers = await Callers.start(this.#cluster, set, otlpUrl);
      await sleep(AROUND_MS);
      await EVENTS[event](kubernetes);
      await settled(kubernetes);
      await sleep(AROUND_MS);
      const counted = await callers.stop();
      const departures = hasPlugin(set) ? await this.#departures.told(queryUrl) : this.#departures.take();
      yield { set, event, callers: counted, departures };
      await restore(kubernetes);
    }
  }

  /** Replaces the deployed manifest. */
  async #deploy(manifests: readonly Manifest[]): Promise<void> {
    const { kubernetes } = this.#cluster;
    const authority = `/api/v1/namespaces/${NAMESPACE}/configmaps/kube-root-ca.crt`;
    await until(async () => (await kubernetes.call('GET', authority)).status === 200);
    for (const { kind, metadata } of this.#deployed) await kubernetes.write('DELETE', pathOf(kind, metadata.name));
    await until(() => this.#departures.isEmpty, LEAVING_MS);
    for (const manifest of manifests) await kubernetes.write('POST', pathOf(manifest.kind), manifest);
    this.#deployed = manifests;
    await settled(kubernetes);
    const url = await urlOf(kubernetes);
    await until(() => this.#cluster.reaches('clients', url));
  }

  async close(): Promise<void> {
    this.#departures.close();
    await this.#cluster.close();
    await this.#collector.close();
  }
}
