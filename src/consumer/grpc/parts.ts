import type { LoadedPackage } from '../../process/modules.ts';

/** Tested minor versions of @grpc/grpc-js 1; each has changed some parts. */
const KNOWN = { least: 10, most: 14 };

/** A target, as parsed by grpc-js. */
export interface Target {
  readonly scheme?: string;
  readonly authority?: string;
  readonly path: string;
}

/** The place of an instance, from a resolver to a policy. Other properties than the address pass through unchanged. */
export interface Place {
  readonly addresses: readonly { readonly host?: string | undefined; readonly port?: number | undefined }[];
}

/** The result since 1.14; before, lists and errors came separately. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Failure };

export interface Failure {
  readonly code: number;
  readonly details: string;
  readonly metadata: object;
}

/** A function since 1.14. */
export type Listener =
  | ((places: Outcome<readonly Place[]>, attributes: object, config: Outcome<object> | null, note: string) => unknown)
  | {
      onSuccessfulResolution(
        places: readonly Place[],
        config: object | null,
        configError: null,
        selector: null,
        attributes: object,
      ): void;
      onError(failure: Failure): void;
    };

export interface Resolver {
  updateResolution(): void;
  destroy(): void;
}

export interface ResolverClass {
  new (target: Target, listener: Listener, options: ChannelOptions): Resolver;
  getDefaultAuthority(target: Target): string;
}

export type ChannelOptions = Readonly<Record<string, unknown>>;

export interface Picker {
  pick(call: object): object;
}

/** A connection, which channels share. */
export interface Subchannel {
  getRealSubchannel(): { resetBackoff(): void };
}

/** The part of a channel that a policy uses. */
export interface Channel {
  createSubchannel(...parts: readonly unknown[]): Subchannel;
  updateState(state: number, picker: Picker, error: string | null): void;
}

/** A policy for one instance: keeps its connection. */
export interface Leaf {
  startConnecting(): void;
  getConnectivityState(): number;
  getPicker(): Picker;
  exitIdle(): void;
  destroy(): void;
}

/** The used parts of one copy of grpc-js. */
export interface Parts {
  readonly version: string;
  readonly states: {
    readonly CONNECTING: number;
    readonly READY: number;
    readonly TRANSIENT_FAILURE: number;
    readonly IDLE: number;
  };
  readonly UNAVAILABLE: number;
  readonly Metadata: new () => object;
  readonly Server: { readonly prototype: { bindAsync(this: unknown, ...call: unknown[]): void } };
  readonly experimental: {
    registerResolver(scheme: string, resolver: ResolverClass): void;
    createResolver(target: Target, listener: Listener, options: ChannelOptions): Resolver;
    registerLoadBalancerType(name: string, policy: unknown, config: unknown): void;
    createChildChannelControlHelper(parent: Channel, overrides: Partial<Channel>): Channel;
    readonly LeafLoadBalancer: new (place: Place, channel: Channel, ...more: readonly unknown[]) => Leaf;
    readonly QueuePicker: new (policy: object) => Picker;
    readonly UnavailablePicker: new (status: Partial<Failure>) => Picker;
  };
  /** Reads the service config that an application gives a channel. @throws Error */
  readonly validateServiceConfig: (config: unknown) => { readonly loadBalancingConfig: readonly unknown[] };
}

/** @returns undefined for an untested version */
export function partsOf({ exports, version, file }: LoadedPackage): Parts | undefined {
  const [, minor = ''] = /^1\.(\d+)\.\d+$/.exec(version) ?? [];
  if (minor === '' || Number(minor) < KNOWN.least || Number(minor) > KNOWN.most) return undefined;
  const { experimental, connectivityState, status, Metadata, Server } = exports as Parts & {
    connectivityState: Parts['states'];
    status: Parts;
  };
  const { createRequire } = process.getBuiltinModule('node:module');
  const { validateServiceConfig } = createRequire(file)('./service-config.js') as Parts;
  return {
    version,
    states: connectivityState,
    UNAVAILABLE: status.UNAVAILABLE,
    Metadata,
    Server,
    experimental,
    validateServiceConfig,
  };
}
