import type { Log } from '../../log.ts';
import { type LoadedPackage, onPackage } from '../../process/modules.ts';
import type { CallContext } from '../call/call-context.ts';
import {
  type ChannelOptions,
  type Listener,
  type Parts,
  partsOf,
  type Resolver,
  type ResolverClass,
  type Target,
} from './parts.ts';
import { registerPolicy } from './policy.ts';
import { ServiceResolver } from './resolver.ts';

/** The package whose calls are covered. */
const PACKAGE = '@grpc/grpc-js';

/** Scheme of targets that are services and nothing else. */
const SCHEME = 'lossless';

/** What the guard calls this. */
const HOOK = 'a channel of grpc-js';

/** Lets each copy of grpc-js that is loaded find services by name: `lossless:///service-b`, or `service-b:50051` as for `dns:`. */
export class GrpcHook {
  readonly #context: CallContext;
  readonly #log: Log;
  readonly #undo: (() => void)[] = [];
  #isSaid = false;
  #isBinding = false;

  constructor(context: CallContext, log: Log) {
    this.#context = context;
    this.#log = log;
  }

  install(): void {
    this.#undo.push(onPackage(PACKAGE, this.#context.guard, (loaded) => this.#adopt(loaded)));
  }

  uninstall(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #adopt(loaded: LoadedPackage): void {
    const parts = partsOf(loaded);
    if (parts === undefined) {
      if (!this.#isSaid)
        this.#log('warn', `calls of ${PACKAGE} ${loaded.version} to services by name are not covered`, {
          code: 'LOSSLESS_GRPC_UNCOVERED',
        });
      this.#isSaid = true;
      return;
    }
    const { experimental } = parts;
    registerPolicy(parts, this.#context);
    this.#coverBinding(parts);
    experimental.registerResolver(SCHEME, this.#resolver(parts, undefined));
    const dns = dnsOf(parts);
    experimental.registerResolver('dns', this.#resolver(parts, dns));
    this.#undo.push(() => experimental.registerResolver('dns', dns));
  }

  /** @param dns resolver of targets that are not services; undefined: none */
  #resolver(parts: Parts, dns: ResolverClass | undefined): ResolverClass {
    const context = this.#context;
    const make = (target: Target, listener: Listener, channel: ChannelOptions): Resolver => {
      const name = hostOf(target);
      const otherwise = dns && new dns(target, listener, channel);
      if (otherwise !== undefined && (this.#isBinding || isOther(target, name))) return otherwise;
      return new ServiceResolver({ context, parts, name, listener, channel, otherwise });
    };
    /**
     * An address, a full name that is not a service, or a name for a given DNS server: the channel works as without the plugin.
     */
    const isOther = ({ authority = '' }: Target, name: string): boolean =>
      context.guard.attempt(
        HOOK,
        () => authority !== '' || (/[.:]/.test(name) && context.route(name) === undefined),
        () => true,
      );
    return class implements Resolver {
      static getDefaultAuthority(target: Target): string {
        return dns === undefined ? authorityOf(target) : dns.getDefaultAuthority(target);
      }

      readonly #made: Resolver;

      constructor(target: Target, listener: Listener, channel: ChannelOptions) {
        this.#made = make(target, listener, channel);
      }

      updateResolution(): void {
        this.#made.updateResolution();
      }

      destroy(): void {
        this.#made.destroy();
      }
    };
  }

  /** A server uses the same resolvers for the address on which it listens. */
  #coverBinding({ Server }: Parts): void {
    const { bindAsync } = Server.prototype;
    const hook = this;
    const bound: typeof bindAsync = function (...call) {
      hook.#isBinding = true;
      try {
        bindAsync.apply(this, call);
      } finally {
        hook.#isBinding = false;
      }
    };
    Server.prototype.bindAsync = bound;
    this.#undo.push(() => {
      if (Server.prototype.bindAsync === bound) Server.prototype.bindAsync = bindAsync;
    });
  }
}

/** The class behind `dns:`, which grpc-js does not export. */
function dnsOf({ experimental }: Parts): ResolverClass {
  const resolver = experimental.createResolver({ scheme: 'dns', path: '127.0.0.1:1' }, () => true, {});
  resolver.destroy();
  return resolver.constructor as ResolverClass;
}

function authorityOf({ path }: Target): string {
  return path.replace(/^\//, '');
}

function hostOf(target: Target): string {
  return authorityOf(target).replace(/:\d+$/, '');
}
