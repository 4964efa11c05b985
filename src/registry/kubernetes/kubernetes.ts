import { existsSync } from 'node:fs';
import { LosslessError } from '../../errors.ts';
import { readLinked } from '../../io/small-file.ts';
import { jitter } from '../../lifecycle/backoff.ts';
import { sleep } from '../../lifecycle/clock.ts';
import type { AdapterContext } from '../context.ts';
import { follow, type Round } from '../follow.ts';
import { HttpClient, type HttpError } from '../http.ts';
import type { Failure, Instance, Listener, Registry } from '../registry.ts';
import { TellOnce } from '../tell-once.ts';
import { attempt } from '../unavailable.ts';
import { addressOf, UrlOptions } from '../url-options.ts';
import { Watches } from '../watches.ts';
import { instancesOf, type Slice, type SliceTold, sliceOf } from './endpoint-slice.ts';

/** Default port of an API server. */
const PORT = 443;

/** Files in every pod with a service account (Kubernetes documentation, "Accessing the Kubernetes API from a Pod"). */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Interval at which a watch ends and is opened again, in seconds, so that a silently dead connection is noticed. */
const WATCH_S = 60;

/** How much later this side ends it, in milliseconds. */
const WATCH_GRACE_MS = 5_000;

/** How long a deregistration waits for the endpoint to leave the slices, and the interval of its reads, in milliseconds. */
const LEAVE_MS = 8_000;
const LOOK_MS = 500;

/** Names that a Service can have (RFC 1123 label). */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** State of the watch of one service. */
interface Known {
  readonly slices: Map<string, Slice>;
  resourceVersion: string;
}

/**
 * The EndpointSlices of a cluster. The plugin writes nothing: Kubernetes lists and removes an instance by its readiness probe and
 * the life of its pod. A deregistration waits for that. Entries have no generation, so a GoAway matches them by address.
 */
class KubernetesRegistry implements Registry {
  readonly type = 'kubernetes';
  readonly address: string;
  readonly capabilities = { push: true, lagMs: 250, expires: true, registers: false } as const;
  readonly #context: AdapterContext;
  readonly #http: HttpClient;
  readonly #namespace: () => string;
  readonly #port: string | undefined;
  readonly #told: TellOnce;
  readonly #watches = new Watches();
  /** First sight of each instance of a watched service, which is the beginning of its warm-up. */
  readonly #seen = new Map<string, ReadonlyMap<string, number>>();

  constructor(options: UrlOptions, context: AdapterContext) {
    const servers = options.servers(PORT);
    const token =
      options.secret('token') ??
      (existsSync(`${ACCOUNT}/token`) ? () => readLinked(`${ACCOUNT}/token`).trim() : undefined);
    const namespace = options.text('namespace');
    const tls = options.tls(true);
    const ca = existsSync(`${ACCOUNT}/ca.crt`) ? { ca: `${ACCOUNT}/ca.crt` } : {};
    this.#context = context;
    this.#told = new TellOnce(context.log);
    this.address = addressOf(servers);
    this.#namespace = () => namespace ?? readLinked(`${ACCOUNT}/namespace`).trim();
    this.#port = options.text('port');
    this.#http = new HttpClient({
      clock: context.clock,
      servers,
      tls: tls && { ...ca, ...tls },
      secrets: context.secrets,
      ...(token && { headers: () => ({ authorization: `Bearer ${token()}` }) }),
    });
    options.done();
  }

  get failure(): Failure | undefined {
    return this.#http.failure;
  }

  async register(): Promise<void> {}

  /** Resolves when the instance is in no slice any more, or after eight seconds; the read of the list afterwards decides. */
  async deregister({ service, host, port }: Instance): Promise<void> {
    const { clock } = this.#context;
    const deadline = clock.now() + LEAVE_MS;
    while (clock.now() < deadline) {
      const listed = await this.#look(service);
      if (listed?.some((entry) => entry.host === host && entry.port === port) === false) return;
      await sleep(clock, LOOK_MS);
    }
  }

  /** @returns undefined after a failure; an empty list without the permission to read, which will not change soon */
  async #look(service: string): Promise<readonly Instance[] | undefined> {
    try {
      return await this.instances(service);
    } catch (thrown) {
      const { status } = ((thrown as LosslessError).cause ?? {}) as HttpError;
      return status === 401 || status === 403 ? [] : undefined;
    }
  }

  instances(service: string): Promise<readonly Instance[]> {
    return this.#attempt(async () => this.#read((await this.#list(service)).slices, service));
  }

  async watch(service: string, listener: Listener): Promise<() => void> {
    const what = `the list of ${service} in Kubernetes`;
    const round = this.#rounds(service);
    const end = await this.#watches.begin((signal) =>
      this.#attempt(() => follow({ context: this.#context, listener, what, round }, signal)),
    );
    return () => {
      end();
      this.#seen.delete(service);
    };
  }

  async close(): Promise<void> {
    this.#watches.close();
    this.#seen.clear();
  }

  async #list(service: string): Promise<Known> {
    const path = this.#pathOf(service);
    if (path === undefined) return { slices: new Map(), resourceVersion: '' };
    const { items, metadata } = (await this.#http.json({ method: 'GET', path })) as {
      readonly items?: readonly unknown[];
      readonly metadata?: { readonly resourceVersion?: string };
    };
    const slices = (items ?? []).map(sliceOf);
    return {
      slices: new Map(slices.map((slice) => [slice.name, slice])),
      resourceVersion: metadata?.resourceVersion ?? '',
    };
  }

  /** Lists once, then follows the changes; lists again when the server has forgotten them (410). */
  #rounds(service: string): Round {
    const path = this.#pathOf(service);
    let known: Known | undefined;
    return async (deliver, signal) => {
      const show = ({ slices }: Known): void =>
        deliver(() => {
          const listed = this.#read(slices, service);
          this.#see(service, listed);
          return listed;
        });
      if (known === undefined) {
        known = await this.#list(service);
        show(known);
      }
      if (path === undefined) return WATCH_S * 1_000;
      const current = known;
      const seconds = Math.round(jitter(WATCH_S));
      const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=${seconds}&resourceVersion=${current.resourceVersion}`;
      const call = {
        method: 'GET',
        path: `${path}&${query}`,
        lastsMs: seconds * 1_000 + WATCH_GRACE_MS,
        signal,
      } as const;
      try {
        await this.#http.lines(
          call,
          (line) => {
            known = undefined;
            if (take(current, line, this.#http)) show(current);
            known = current;
            return true;
          },
          () => show(current),
        );
      } catch (thrown) {
        // After a refusal, for example 410, or a bad event it lists again; after a broken connection it goes on from the last
        // change.
        if ((thrown as HttpError).status !== undefined) known = undefined;
        throw thrown;
      }
      return 0;
    };
  }

  #read(slices: ReadonlyMap<string, Slice>, service: string): readonly Instance[] {
    const seen = this.#seen.get(service);
    const now = this.#context.clock.wall();
    const told: SliceTold = {
      onChoice: (message) => this.#told.warn(`port of ${service}`, 'LOSSLESS_REGISTRY_PORT', message),
      onCorrupt: (endpoint, message) =>
        this.#told.warn(
          endpoint,
          'LOSSLESS_REGISTRY_CORRUPT',
          `the endpoint ${this.#http.excerpt(endpoint)} is skipped: ${this.#http.excerpt(message)}`,
        ),
    };
    return instancesOf(slices.values(), service, this.#port, told).map((instance) => ({
      ...instance,
      registeredAt: seen === undefined ? 0 : (seen.get(lifeOf(instance)) ?? now),
    }));
  }

  #see(service: string, listed: readonly Instance[]): void {
    this.#seen.set(service, new Map(listed.map((instance) => [lifeOf(instance), instance.registeredAt])));
  }

  /** `shop` is a Service of the own namespace, `shop.other` one of another; anything else cannot be one. */
  #pathOf(service: string): string | undefined {
    const [name = '', namespace = this.#namespace()] = service.split('.');
    if (!LABEL.test(name) || !LABEL.test(namespace)) return undefined;
    return `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D${name}`;
  }

  #attempt<T>(work: () => Promise<T>): Promise<T> {
    return attempt(`the Kubernetes API at ${this.address}`, work);
  }
}

/** A pod that comes back under its name is another one. */
function lifeOf({ instanceId, uid }: Instance): string {
  return uid ?? instanceId;
}

/**
 * Applies one event of a watch.
 *
 * @returns whether slices have changed
 * @throws Error on an ERROR event, for example 410: the resource version is too old
 */
function take(known: Known, line: unknown, http: HttpClient): boolean {
  const { type, object } = (line ?? {}) as { readonly type?: string; readonly object?: WatchObject };
  if (type === 'ERROR') throw new Error(`the watch has ended: ${http.excerpt(`${object?.code} ${object?.message}`)}`);
  known.resourceVersion = object?.metadata?.resourceVersion ?? known.resourceVersion;
  if (type === 'BOOKMARK') return false;
  const slice = sliceOf(object);
  if (type === 'DELETED') known.slices.delete(slice.name);
  else known.slices.set(slice.name, slice);
  return true;
}

interface WatchObject {
  readonly code?: number;
  readonly message?: string;
  readonly metadata?: { readonly resourceVersion?: string };
}

/**
 * Opens the API server that a `kubernetes:` URL names; `kubernetes:` alone is that of the cluster this process runs in.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL
 */
export function kubernetesRegistry(url: URL, context: AdapterContext): Registry {
  if (url.hostname === '')
    throw new LosslessError(
      'LOSSLESS_REGISTRY_URL',
      'expected kubernetes://host:port outside a cluster: KUBERNETES_SERVICE_HOST is not set',
    );
  return new KubernetesRegistry(new UrlOptions(url, context.secrets), context);
}
