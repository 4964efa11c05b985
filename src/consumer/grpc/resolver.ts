import { valueIn } from '../../json.ts';
import type { Timer } from '../../lifecycle/clock.ts';
import type { CallContext } from '../call/call-context.ts';
import type { Listed } from '../directory/directory.ts';
import type { Endpoint } from '../directory/endpoint.ts';
import type { Service } from '../directory/service.ts';
import type { ChannelOptions, Listener, Parts, Place, Resolver } from './parts.ts';

/** The name under which the policy is registered. */
export const POLICY = 'lossless';

/** Interval of look-ups of a name without instances, in milliseconds. */
const AGAIN_MS = 1_000;

/** Symbol of the instance on a place. Not an attribute, because attributes are part of the identity of a connection. */
const LISTED = Symbol('lossless.listed');

/** What the guard calls this. */
const HOOK = 'a resolver of grpc-js';

/** The instance at a place. */
export function listedAt(place: Place): Listed | undefined {
  return (place as { readonly [LISTED]?: Listed })[LISTED];
}

export interface ServiceResolverOptions {
  readonly context: CallContext;
  readonly parts: Parts;
  readonly name: string;
  readonly listener: Listener;
  readonly channel: ChannelOptions;
  /** Resolves the name while it is not a service; undefined: nothing else resolves it. */
  readonly otherwise: Resolver | undefined;
}

/** Gives a channel of grpc-js the instances of a service, from the first list on, with each change of the choice. */
export class ServiceResolver implements Resolver {
  readonly #options: ServiceResolverOptions;
  #service: Service | undefined;
  #told: readonly Endpoint[] = [];
  #isAsking = false;
  #isDestroyed = false;
  #again: Timer | undefined;
  #unfollow: () => void = () => {};

  constructor(options: ServiceResolverOptions) {
    this.#options = options;
  }

  updateResolution(): void {
    this.#isDestroyed = false;
    if (this.#service !== undefined || this.#isAsking) return;
    this.#isAsking = true;
    this.#again?.cancel();
    const { context, name } = this.#options;
    const found = context.guard.attempt(
      HOOK,
      () => context.route(name),
      () => undefined,
    );
    // Never synchronously in the request.
    const settle = context.guard.listener(HOOK, (service: Service | undefined) => this.#found(service));
    void Promise.resolve(found).then((service) => setImmediate(() => settle(service)));
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.#leave();
    this.#again?.cancel();
    this.#options.otherwise?.destroy();
  }

  #found(service: Service | undefined): void {
    this.#isAsking = false;
    if (this.#isDestroyed) return;
    const { context, name, otherwise } = this.#options;
    if (service !== undefined) {
      otherwise?.destroy();
      this.#service = service;
      const { guard } = context;
      this.#unfollow = service.follow(guard.listener(HOOK, () => this.#changed(service)));
      this.#changed(service);
    } else if (otherwise !== undefined) {
      otherwise.updateResolution();
    } else {
      this.#fail(`no instance of ${name} is registered`);
      this.#again = context.clock.after(AGAIN_MS, () => this.updateResolution());
    }
  }

  #changed(service: Service): void {
    if (service.closed) {
      this.#leave();
      this.updateResolution();
      return;
    }
    const preferred = service.preferredFor('grpc');
    if (preferred.length === this.#told.length && preferred.every((endpoint, n) => endpoint === this.#told[n])) return;
    this.#told = preferred;
    const places = preferred.flatMap((endpoint) => {
      const target = endpoint.targetOf('grpc');
      return target === undefined ? [] : { addresses: [target], [LISTED]: { service, endpoint } satisfies Listed };
    });
    const { listener } = this.#options;
    const config = this.#config();
    if (typeof listener !== 'function') listener.onSuccessfulResolution(places, config, null, null, {});
    else listener({ ok: true, value: places }, {}, config && { ok: true, value: config }, '');
  }

  #leave(): void {
    this.#unfollow();
    this.#service = undefined;
    this.#told = [];
  }

  /**
   * The application's service config with the policy of the plugin; null, which leaves the config unchanged, when it names a
   * policy.
   */
  #config(): object | null {
    const { channel, parts } = this.#options;
    const text = channel['grpc.service_config'];
    const given = typeof text === 'string' ? parts.validateServiceConfig(valueIn(text)) : undefined;
    if ((given?.loadBalancingConfig.length ?? 0) > 0) return null;
    return { methodConfig: [], ...given, loadBalancingConfig: [{ [POLICY]: {} }] };
  }

  #fail(details: string): void {
    const { listener, parts } = this.#options;
    const failure = { code: parts.UNAVAILABLE, details, metadata: new parts.Metadata() };
    if (typeof listener !== 'function') listener.onError(failure);
    else listener({ ok: false, error: failure }, {}, null, '');
  }
}
