import { asError } from '../errors.ts';
import { Backoff, jitter } from '../lifecycle/backoff.ts';
import { sleep, type Timer } from '../lifecycle/clock.ts';
import type { RegistryContext } from './context.ts';
import type { Instance } from './registry.ts';

/** Waits between attempts of a removal, and their number; a restarted server is back by then. */
const REMOVALS = { initialMs: 300, factor: 3, capMs: 900 };
const MOST_REMOVALS = 3;

/**
 * Wait after a failed heartbeat, in milliseconds, when the interval is not shorter. It does not grow: an entry expires within a
 * few intervals, and a lost entry must be back a second after the registry.
 */
const BEAT_AGAIN_MS = 1_000;

/** The operations of an adapter on one entry of this process, run one at a time for each instance. */
export interface EntryStore {
  /**
   * Writes the entry, replacing an existing one.
   *
   * @param former the entry of this process that is there now: it is in use, and must not vanish meanwhile
   */
  write(instance: Instance, former?: Instance): Promise<void>;
  /** Sends a heartbeat, and writes the entry again if the registry has lost it. */
  beat(instance: Instance): Promise<void>;
  /** Removes the entry, if there is one. */
  remove(instance: Instance): Promise<void>;
}

export interface UpkeepOptions {
  readonly context: RegistryContext;
  readonly store: EntryStore;
  /** Interval of heartbeats, in milliseconds. */
  readonly beatMs: number;
}

interface Entry {
  /** The wanted entry; undefined: none. */
  wanted: Instance | undefined;
  /** Settles when the last operation on this entry has ended. Never rejects. */
  turn: Promise<unknown>;
  beat: Timer | undefined;
  failing: boolean;
}

/**
 * The entries of this process. For each instance it writes, sends heartbeats and removes one after the other, so a removal awaits
 * a write and a heartbeat in flight, and none follows it (races R28).
 */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #closing = new AbortController();

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  register(instance: Instance): Promise<void> {
    return this.#inTurn(instance, async (entry) => {
      await this.#options.store.write(instance, entry.wanted);
      entry.wanted = instance;
      this.#beatLater(entry, this.#options.beatMs);
    });
  }

  deregister(instance: Instance): Promise<void> {
    return this.#inTurn(instance, async (entry) => {
      entry.wanted = undefined;
      entry.beat?.cancel();
      await this.#remove(instance);
    });
  }

  /** Ends all heartbeats and awaits operations in flight; a failed removal is then retried at once. The entries stay. */
  async close(): Promise<void> {
    this.#closing.abort();
    const entries = [...this.#entries.values()];
    for (const entry of entries) entry.beat?.cancel();
    await Promise.all(entries.map(({ turn }) => turn));
  }

  #inTurn(instance: Instance, work: (entry: Entry) => Promise<void>): Promise<void> {
    const key = JSON.stringify([instance.service, instance.instanceId]);
    const entry = this.#entries.get(key) ?? {
      wanted: undefined,
      turn: Promise.resolve(),
      beat: undefined,
      failing: false,
    };
    this.#entries.set(key, entry);
    const done = entry.turn.then(() => work(entry));
    const turn = done
      .catch(() => {})
      .then(() => {
        if (entry.turn === turn && entry.wanted === undefined) this.#entries.delete(key);
      });
    entry.turn = turn;
    return done;
  }

  async #remove(instance: Instance): Promise<void> {
    const { context, store } = this.#options;
    const backoff = new Backoff(REMOVALS);
    for (let left = MOST_REMOVALS - 1; ; left--)
      try {
        return await store.remove(instance);
      } catch (thrown) {
        if (left === 0) throw thrown;
        await sleep(context.clock, backoff.next(), this.#closing.signal);
      }
  }

  #beatLater(entry: Entry, ms: number): void {
    entry.beat?.cancel();
    if (this.#closing.signal.aborted || entry.wanted === undefined) return;
    const { wanted } = entry;
    entry.beat = this.#options.context.clock.after(jitter(ms), () => this.#inTurn(wanted, () => this.#beat(entry)));
  }

  async #beat(entry: Entry): Promise<void> {
    const { context, store, beatMs } = this.#options;
    const { wanted } = entry;
    if (wanted === undefined || this.#closing.signal.aborted) return;
    try {
      await store.beat(wanted);
      if (entry.failing) context.log('info', `the entry of ${wanted.instanceId} is kept alive again`);
      entry.failing = false;
    } catch (thrown) {
      if (!entry.failing)
        context.log('warn', `the entry of ${wanted.instanceId} cannot be kept alive: ${asError(thrown).message}`, {
          code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
        });
      entry.failing = true;
    }
    this.#beatLater(entry, entry.failing ? Math.min(BEAT_AGAIN_MS, beatMs) : beatMs);
  }
}
