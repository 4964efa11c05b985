import type { ProtocolEndpoint } from './endpoints.ts';

/** One running process of a service, as a registry lists it. */
export interface Instance {
  readonly service: string;
  /** One per address and process. */
  readonly instanceId: string;
  /**
   * Start of the process, milliseconds since the Unix epoch: a restart on the same address is a newer generation. 0 when another
   * client has listed the instance: it is then identified by its address, not by its id.
   */
  readonly generation: number;
  /** IP address or host name at which consumers reach it. */
  readonly host: string;
  /** The main port: one that was named, else one of HTTP/1.1, else of HTTP/2, else of gRPC. */
  readonly port: number;
  /** `https` when the main port speaks TLS. */
  readonly scheme: 'http' | 'https';
  /** Ports by protocol, one of each, the main one first. Absent: only the main port is known, which takes any call. */
  readonly endpoints?: readonly ProtocolEndpoint[];
  /** Relative share of traffic when warm; default 100, 0 takes nothing. */
  readonly weight: number;
  /** When it was registered, milliseconds since the Unix epoch; the beginning of its warm-up. */
  readonly registeredAt: number;
  /** Free labels (zone, version). */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Identity of one life of the process, where the platform has one (the uid of a pod): another one at the same address is
   * another process. Absent: unknown.
   */
  readonly uid?: string;
}

/** Receives the full list of a service, on every change. It must not throw. */
export type Listener = (instances: readonly Instance[]) => void;

/** Capabilities of a registry, for messages, documentation and the choice of time-outs. */
export interface Capabilities {
  /** The registry pushes changes; no polling. */
  readonly push: boolean;
  /** Longest time in milliseconds until a watcher sees a change while everything works. */
  readonly lagMs: number;
  /** Entries vanish when their process dies without deregistering. */
  readonly expires: boolean;
  /** Absent: true. False: the platform lists and removes instances, as Kubernetes does. */
  readonly registers?: boolean;
}

/** A registry that does not answer. */
export interface Failure {
  /** Milliseconds since the Unix epoch. */
  readonly since: number;
  readonly message: string;
}

/**
 * A directory of instances. Every adapter keeps these rules, and `contract/` proves them:
 *
 * - `register` and `deregister` are idempotent; `register` of the same `instanceId` replaces the entry.
 * - `deregister` first awaits a registration and a heartbeat in flight: after it resolves nothing of this process writes the
 *   entry again. The last call wins.
 * - `instances` asks the registry, never a cache; an unknown service is an empty list. Its order is stable.
 * - `watch` delivers full lists, never differences, and only when they differ; the first one before it resolves, or it rejects.
 *   Later, on an error, the last good list stays. An unreadable entry is skipped, not removed.
 * - `close` stops heartbeats and watches; it does not deregister. Nothing keeps the process alive.
 * - Failures are `LosslessError` with `LOSSLESS_REGISTRY_UNAVAILABLE`; no message holds credentials.
 */
export interface Registry {
  /** Scheme of the URL, for example `file`. */
  readonly type: string;
  /** Its address, without credentials. */
  readonly address: string;
  readonly capabilities: Capabilities;
  /** Set while it does not answer, for `/status`; absent for registries without a server. */
  readonly failure?: Failure | undefined;
  /** The parts of a combined registry, each with a list of its own; absent for a single registry. */
  readonly members?: readonly Registry[] | undefined;
  register(instance: Instance): Promise<void>;
  deregister(instance: Instance): Promise<void>;
  instances(service: string): Promise<readonly Instance[]>;
  /** Resolves with a function that ends the watch. */
  watch(service: string, listener: Listener): Promise<() => void>;
  close(): Promise<void>;
}
