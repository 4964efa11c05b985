import type { Clock, Timer } from '../../lifecycle/clock.ts';
import { addressKey } from '../../registry/address.ts';
import type { Instance } from '../../registry/registry.ts';

/** Shortest and longest isolation, in milliseconds, whatever a GoAway asks for. */
const SHORTEST_MS = 1_000;
const LONGEST_MS = 600_000;

/** Most addresses isolated at a time; the oldest gives way. Twice a fleet of 2,000 instances restarted at once. */
const MOST = 4_096;

/** What is isolated of an address: calls go to addresses, whatever ids a list has for them. */
export type Isolated = Pick<Instance, 'host' | 'port' | 'generation' | 'uid'>;

interface Entry {
  readonly generation: number;
  readonly uid: string | undefined;
  readonly expiry: Timer;
}

/**
 * The addresses that are not picked although a list names them. An entry holds for its generation and older ones, and for
 * instances of which no generation is known, so that an instance restarted on the same address is served at once; one that is
 * known to be another life of the process (`uid`) is free too. It ends by itself unless renewed.
 */
export class Quarantine {
  readonly #clock: Clock;
  readonly #onExpiry: () => void;
  readonly #entries = new Map<string, Entry>();

  /** @param onExpiry an isolation has ended by itself */
  constructor(clock: Clock, onExpiry: () => void) {
    this.#clock = clock;
    this.#onExpiry = onExpiry;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Isolates, or renews. A message about an older generation than the isolated one changes nothing. */
  add({ host, port, generation, uid }: Isolated, expiresInMs: number): void {
    const address = addressKey({ host, port });
    const known = this.#entries.get(address);
    if (known !== undefined && known.generation > generation) return;
    this.#drop(address);
    const oldest = this.#entries.size < MOST ? undefined : this.#entries.keys().next().value;
    if (oldest !== undefined) this.#drop(oldest);
    const expiry = this.#clock.after(Math.min(Math.max(expiresInMs, SHORTEST_MS), LONGEST_MS), () => {
      this.#entries.delete(address);
      this.#onExpiry();
    });
    this.#entries.set(address, { generation, uid, expiry });
  }

  /** @param address of it, in one spelling, where that is known already */
  has(instance: Isolated, address: string = addressKey(instance)): boolean {
    const { generation, uid } = instance;
    const entry = this.#entries.get(address);
    if (entry === undefined || generation > entry.generation) return false;
    return uid === undefined || entry.uid === undefined || uid === entry.uid;
  }

  clear(): void {
    for (const address of [...this.#entries.keys()]) this.#drop(address);
  }

  #drop(address: string): void {
    this.#entries.get(address)?.expiry.cancel();
    this.#entries.delete(address);
  }
}
