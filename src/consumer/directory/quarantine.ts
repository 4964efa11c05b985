import type { Clock, Timer } from '../../lifecycle/clock.ts';
import { addressKey } from '../../registry/address.ts';
import type { Instance } from '../../registry/registry.ts';

/** Shortest and longest isolation, in milliseconds, for any GoAway. */
const SHORTEST_MS = 1_000;
const LONGEST_MS = 600_000;

/** Most isolated addresses; a new one replaces the oldest. It is twice a fleet of 2,000 instances restarted at once. */
const MOST = 4_096;

/** The isolation of an address. Calls go to addresses, so ids do not matter. */
export type Isolated = Pick<Instance, 'host' | 'port' | 'generation' | 'uid'>;

interface Entry {
  readonly generation: number;
  readonly uid: string | undefined;
  readonly expiry: Timer;
}

/**
 * The addresses that are not picked although a list names them. An isolation holds for its generation and older ones, and for
 * instances without a known generation. So an instance restarted on the same address is used at once, as is another life of the
 * process (`uid`). An isolation expires unless it is renewed.
 */
export class Quarantine {
  readonly #clock: Clock;
  readonly #onExpiry: (address: string) => void;
  readonly #entries = new Map<string, Entry>();
  #changes = 0;

  /** @param onExpiry called with the normalized address whose isolation has expired */
  constructor(clock: Clock, onExpiry: (address: string) => void) {
    this.#clock = clock;
    this.#onExpiry = onExpiry;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Grows with each isolation that begins or ends, so that nobody asks again while it stays. */
  get changes(): number {
    return this.#changes;
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
      this.#drop(address);
      this.#onExpiry(address);
    });
    this.#entries.set(address, { generation, uid, expiry });
    this.#changes++;
  }

  /** @param address its normalized address, if the caller has it already */
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
    this.#changes++;
  }
}
