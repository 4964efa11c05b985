import type { Instance, Registry } from '../registry.ts';

/** Another process that has registered an instance. */
export interface OtherProcess {
  /** Ends it with SIGKILL. */
  kill(): void;
}

/** What the contract needs of a registry. Every case uses service names of its own, so one real server serves all of them. */
export interface Subject {
  /** Opens another client of the same registry, like another process. The case closes it. */
  open(): Promise<Registry>;
  /** Puts an entry into the list of a service that no client would write. */
  corrupt?(service: string): Promise<void>;
  /** Makes the registry fail every call; the returned function repairs the registry and its entries. */
  breakDown?(service: string): Promise<() => Promise<void>>;
  /** Starts a process that registers `instance`; resolves when it has. Wanted when entries expire. */
  otherProcess?(instance: Instance): Promise<OtherProcess>;
  /** Longest time until the entry of a killed process is gone, in milliseconds. Wanted with `otherProcess`. Default: 0. */
  readonly expiryMs?: number;
  /** Longest interval between two heartbeats, in milliseconds: how long to look for an entry that comes back. */
  readonly heartbeatMs: number;
}

/** What the test of a rule gets. */
export interface Scene {
  readonly subject: Subject;
  /** A client; the contract closes it after the rule. */
  open(): Promise<Registry>;
}

/** One rule of the contract. */
export interface Rule {
  readonly name: string;
  /** Abilities that the subject needs; the contract skips the rule for a subject without them. */
  readonly needs?: 'corrupt' | 'breakDown' | 'otherProcess';
  /** Rejects when the rule does not hold. */
  holds(scene: Scene): Promise<void>;
}
