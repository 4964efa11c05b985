import { type FSWatcher, type Stats, statSync, watch } from 'node:fs';
import { asError } from '../../errors.ts';
import { whenAborted } from '../../lifecycle/abort.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';
import { isRunning } from '../../process/started-at.ts';
import { type Entry, isAlive } from '../entry.ts';
import type { Listener } from '../registry.ts';

/** How often the directory and the processes are looked at, in milliseconds: within the 100 ms that are promised. */
const POLL_MS = 80;

/** Changes within this time, in milliseconds, are read together. */
const GATHER_MS = 10;

/** The list is read at least this often, in milliseconds: for an entry that was changed in place. */
const CHECK_MS = 1_000;

/** Time stamps of files have the grain of the kernel's tick, at most this many milliseconds: two changes may share one. */
const GRAIN_MS = 20;

/** Entries whose process is asked exactly in one look; all of them are asked whether it runs at all. */
const EXACT_AT_A_TIME = 16;

/** What a watch works with. */
export interface WatchOptions {
  readonly directory: string;
  readonly clock: Clock;
  /** The living entries of the directory. */
  readonly read: () => readonly Entry[];
  readonly listener: Listener;
  /** Called once when the directory begins to be unreadable. */
  readonly onFailure: (error: Error) => void;
}

/**
 * Watches one directory: events of the operating system tell of most changes at once, a cheap look every 80 ms of those
 * they miss and of dead processes. When the directory cannot be read the last list stays, less the dead.
 */
export class FileWatch {
  readonly #options: WatchOptions;
  #entries: readonly Entry[] = [];
  #delivered: string | undefined;
  /** The directory and its last change, as they were last read; empty while there is no directory. */
  #stamp = '';
  #readAt = 0;
  /** There was an event, or the last reading was so soon after a change that its time stamp may stand for another one. */
  #mayHaveChanged = false;
  #isFailing = false;
  #cursor = 0;
  #events: FSWatcher | undefined;
  #eventsOf = '';
  #poll: Timer | undefined;
  #soon: Timer | undefined;
  #ended = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /**
   * Delivers the first list and goes on watching until `signal` is aborted.
   *
   * @throws Error when the directory is there and cannot be read
   */
  start(signal: AbortSignal): void {
    whenAborted(signal, () => this.#end());
    this.#take(this.#stat());
    this.#pollLater();
  }

  #end(): void {
    this.#ended = true;
    this.#poll?.cancel();
    this.#soon?.cancel();
    this.#events?.close();
  }

  #pollLater(): void {
    if (this.#ended) return;
    this.#poll = this.#options.clock.after(POLL_MS, () => {
      this.#look();
      this.#pollLater();
    });
  }

  #look(): void {
    try {
      const stat = this.#stat();
      if (this.#isDue(stampOf(stat))) this.#take(stat);
    } catch (thrown) {
      if (!this.#isFailing) this.#options.onFailure(asError(thrown));
      this.#isFailing = true;
      this.#apply(this.#entries.filter(isAlive));
    }
  }

  /** A directory that was there and is gone is a failure, not an empty list: its instances still run. */
  #stat(): Stats | undefined {
    const stat = statSync(this.#options.directory, { throwIfNoEntry: false });
    if (stat === undefined && this.#stamp !== '') throw new Error('the directory was removed');
    return stat;
  }

  #isDue(stamp: string): boolean {
    return (
      stamp !== this.#stamp ||
      this.#mayHaveChanged ||
      this.#isFailing ||
      this.#options.clock.now() - this.#readAt >= CHECK_MS ||
      this.#hasDead()
    );
  }

  /** A zombie or a re-used id is only seen by the exact question, which is asked of some at a time. */
  #hasDead(): boolean {
    const entries = this.#entries;
    const exact = Array.from(
      { length: Math.min(EXACT_AT_A_TIME, entries.length) },
      (_, i) => entries[(this.#cursor + i) % entries.length],
    );
    this.#cursor += exact.length;
    return !entries.every(({ pid }) => isRunning(pid)) || !exact.every((entry) => entry && isAlive(entry));
  }

  #take(stat: Stats | undefined): void {
    const { clock, read } = this.#options;
    this.#listenFor(stat);
    this.#mayHaveChanged = stat !== undefined && Math.abs(clock.wall() - stat.mtimeMs) < GRAIN_MS;
    this.#readAt = clock.now();
    const entries = read();
    this.#stamp = stampOf(stat);
    this.#isFailing = false;
    if (this.#mayHaveChanged) this.#lookSoon(GRAIN_MS);
    this.#apply(entries);
  }

  #apply(entries: readonly Entry[]): void {
    this.#entries = entries;
    const instances = entries.map((entry) => entry.instance);
    const text = JSON.stringify(instances);
    if (this.#ended || text === this.#delivered) return;
    this.#delivered = text;
    try {
      this.#options.listener(instances);
    } catch {
      // A listener's failure is its own.
    }
  }

  /** Where there are no events (no directory yet, no more of them to be had) the looks are enough. */
  #listenFor(stat: Stats | undefined): void {
    const identity = identityOf(stat);
    if (identity === this.#eventsOf || this.#ended) return;
    this.#eventsOf = identity;
    this.#events?.close();
    this.#events = undefined;
    if (stat === undefined) return;
    try {
      this.#events = watch(this.#options.directory, { persistent: false }, () => {
        this.#mayHaveChanged = true;
        this.#lookSoon(GATHER_MS);
      });
      this.#events.on('error', () => {});
    } catch {
      // As above.
    }
  }

  /** Looks again when `ms` have passed since the last reading. */
  #lookSoon(ms: number): void {
    const { clock } = this.#options;
    if (this.#ended) return;
    this.#soon ??= clock.after(Math.max(0, this.#readAt + ms - clock.now()), () => {
      this.#soon = undefined;
      this.#look();
    });
  }
}

/** Which directory it is: a number alone is used again for the next one. */
function identityOf(stat: Stats | undefined): string {
  return stat === undefined ? '' : `${stat.ino}:${stat.birthtimeMs}`;
}

function stampOf(stat: Stats | undefined): string {
  return stat === undefined ? '' : `${identityOf(stat)}:${stat.mtimeMs}`;
}
