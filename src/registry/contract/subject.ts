import type { Instance, Registry } from '../registry.ts';

/** A process of its own that has registered an instance. */
export interface OtherProcess {
  /** Ends it with SIGKILL. */
  kill(): void;
}

/** What the contract needs of a registry. Every case uses service names of its own, so one real server serves all of them. */
export interface Subject {
  /** A client of its own of the same registry, as another process has one. Closed by the case. */
  open(): Promise<Registry>;
  /** Puts an entry into the list of a service that no client can have written. */
  corrupt?(service: string): Promise<void>;
  /** Makes the registry fail every call; the returned function mends it, entries included. */
  breakDown?(service: string): Promise<() => Promise<void>>;
  /** Starts a process that registers `instance`; resolves when it has. Wanted when entries expire. */
  otherProcess?(instance: Instance): Promise<OtherProcess>;
  /** Longest time until the entry of a killed process is gone, in milliseconds. Wanted with `otherProcess`. Default: 0. */
  readonly expiryMs?: number;
  /** Longest interval between two heartbeats, in milliseconds: how long to look for an entry that comes back. */
  readonly heartbeatMs: number;
}

/** What a rule is tried with. */
export interface Scene {
  readonly subject: Subject;
  /** A client, which is closed when the rule has been tried. */
  open(): Promise<Registry>;
}

/** One rule of the contract. */
export interface Rule {
  readonly name: string;
  /** What the subject must be able to do; of one that cannot the rule is not tried. */
  readonly needs?: 'corrupt' | 'breakDown' | 'otherProcess';
  /** Rejects when it does not hold. */
  holds(scene: Scene): Promise<void>;
}
