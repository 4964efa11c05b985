import type { Cluster } from '../support/kubernetes/cluster.ts';
import { pathOf } from '../support/kubernetes/manifest.ts';
import type { Kubernetes } from '../support/servers/kubernetes.ts';
import { PATIENCE_MS, until } from '../support/until.ts';
import type { SetName } from './sets.ts';

/** The callers, each a pod on the node of the clients. No caller sends a request twice. */
export const CALLERS = ['with the plugin', 'keep-alive', 'new connections'] as const;
export type CallerName = (typeof CALLERS)[number];

/** Requests of each in a second. */
const PER_SECOND = 40;

/** Clients of `test/fixtures/apps/caller.ts`. */
const CLIENTS: Readonly<Record<CallerName, string>> = {
  'with the plugin': 'fetch',
  'keep-alive': 'http',
  'new connections': 'close',
};

/** The counts of a caller. */
export interface Counted {
  readonly sent: number;
  readonly failed: number;
  readonly reasons: Readonly<Record<string, number>>;
}

/** The callers of a set by name, until they are stopped. */
export class Callers {
  readonly #cluster: Cluster;
  readonly #names: readonly CallerName[];

  private constructor(cluster: Cluster, names: readonly CallerName[]) {
    this.#cluster = cluster;
    this.#names = names;
  }

  /** Resolves when each caller has had answers. The caller with the plugin calls instances of the registry. */
  static async start(cluster: Cluster, set: SetName, collector: string): Promise<Callers> {
    const names = CALLERS.filter((name) => set === 'plugin' || name !== 'with the plugin');
    const callers = new Callers(cluster, names);
    if (set === 'plugin') await callers.#beService();
    const url = await urlOf(cluster.kubernetes);
    for (const name of names) await callers.#launch(name, url, collector);
    for (const name of names) {
      await until(() => callers.#processOf(name) !== undefined);
      await callers.#processOf(name)?.sees(/answered/);
    }
    return callers;
  }

  /** Sends nothing more; resolves with what each has counted when every answer is in. */
  async stop(): Promise<Readonly<Partial<Record<CallerName, Counted>>>> {
    const counts = await Promise.all(this.#names.map(async (name) => [name, await this.#stop(name)] as const));
    for (const name of this.#names) await this.#cluster.kubernetes.write('DELETE', pathOf('Pod', podOf(name)));
    await until(() => this.#names.every((name) => this.#cluster.container(podOf(name)) === undefined));
    return Object.fromEntries(counts);
  }

  async #stop(name: CallerName): Promise<Counted> {
    const process = this.#processOf(name);
    if (process === undefined) throw new Error(`the caller ${name} does not run`);
    process.say('stop');
    const [, counted = ''] = await process.sees(/counted (.*)\n/, PATIENCE_MS);
    return JSON.parse(counted) as Counted;
  }

  #processOf(name: CallerName) {
    return this.#cluster.container(podOf(name))?.process;
  }

  /** Its own Service lets the instances that it called know that it has gone: nothing answers at the address of a pod that has. */
  async #beService(): Promise<void> {
    const spec = { clusterIP: 'None', selector: { caller: 'plugin' }, ports: [{ port: 80 }] };
    const { status, text } = await this.#cluster.kubernetes.call('POST', pathOf('Service'), {
      metadata: { name: 'caller' },
      spec,
    });
    if (status !== 201 && status !== 409) throw new Error(`the Service of the caller: ${status} ${text}`);
  }

  async #launch(name: CallerName, url: string, collector: string): Promise<void> {
    const hasPlugin = name === 'with the plugin';
    await this.#cluster.kubernetes.write('POST', pathOf('Pod'), {
      metadata: { name: podOf(name), labels: { caller: hasPlugin ? 'plugin' : 'plain' } },
      spec: {
        nodeName: 'clients',
        restartPolicy: 'Never',
        ...(hasPlugin && { serviceAccountName: 'orders' }),
        containers: [
          {
            name: 'caller',
            image: 'registry.example/caller:1',
            args: [hasPlugin ? 'http://orders/' : url, `${PER_SECOND}`, CLIENTS[name]],
            env: hasPlugin ? variablesOf(collector) : [],
          },
        ],
      },
    });
  }
}

/** Where the application is reached without the plugin: the cluster address of its Service. */
export async function urlOf(kubernetes: Kubernetes): Promise<string> {
  const { spec } = await kubernetes.read<{ spec: { clusterIP: string } }>(pathOf('Service', 'orders'));
  return `http://${spec.clusterIP}/`;
}

function podOf(name: CallerName): string {
  return `caller-${name.replaceAll(' ', '-')}`;
}

function variablesOf(collector: string): readonly { readonly name: string; readonly value: string }[] {
  return Object.entries({
    NODE_OPTIONS: '--import=lossless-lifecycle/register',
    LOSSLESS_ENABLED: 'true',
    OTEL_SERVICE_NAME: 'caller',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector,
    LOSSLESS_REGISTRY: 'kubernetes:',
  }).map(([name, value]) => ({ name, value }));
}
