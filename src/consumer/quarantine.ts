import type { Clock, Timer } from '../lifecycle/clock.ts';
import type { Identity } from '../protocol/identity.ts';

/** Shortest and longest isolation, in milliseconds, whatever a GoAway asks for. */
const SHORTEST_MS = 1_000;
const LONGEST_MS = 600_000;

/** Most instances isolated at a time; the oldest gives way. Twice a fleet of 2,000 instances restarted at once. */
const MOST = 4_096;

interface Entry {
  readonly generation: number;
  readonly expiry: Timer;
}

/**
 * The instances that are not picked although a list names them. An entry holds for its generation and older ones, so that an
 * instance restarted on the same address is served at once; it ends by itself unless renewed.
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
  add({ instanceId, generation }: Identity, expiresInMs: number): void {
    const known = this.#entries.get(instanceId);
    if (known !== undefined && known.generation > generation) return;
    this.#drop(instanceId);
    const oldest = this.#entries.size < MOST ? undefined : this.#entries.keys().next().value;
    if (oldest !== undefined) this.#drop(oldest);
    const expiry = this.#clock.after(Math.min(Math.max(expiresInMs, SHORTEST_MS), LONGEST_MS), () => {
      this.#entries.delete(instanceId);
      this.#onExpiry();
    });
    this.#entries.set(instanceId, { generation, expiry });
  }

  has({ instanceId, generation }: Omit<Identity, 'service'>): boolean {
    const entry = this.#entries.get(instanceId);
    return entry !== undefined && generation <= entry.generation;
  }

  clear(): void {
    for (const instanceId of [...this.#entries.keys()]) this.#drop(instanceId);
  }

  #drop(instanceId: string): void {
    this.#entries.get(instanceId)?.expiry.cancel();
    this.#entries.delete(instanceId);
  }
}
