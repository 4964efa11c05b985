import { type FSWatcher, type Stats, statSync, watch } from 'node:fs';
import { asError } from '../../errors.ts';
import { whenAborted } from '../../lifecycle/abort.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';
import { isRunning } from '../../process/started-at.ts';
import { type Entry, isAlive } from '../entry.ts';
import type { Listener } from '../registry.ts';

/** Interval of checks of the directory and the processes, in milliseconds: below the promised 100 ms. */
const POLL_MS = 80;

/** Changes within this time, in milliseconds, are read together. */
const GATHER_MS = 10;

/** Longest time between reads of the list, in milliseconds, for entries that were changed in place. */
const CHECK_MS = 1_000;

/** Time stamps of files have the grain of the kernel's tick, at most this many milliseconds: two changes may share one. */
const GRAIN_MS = 20;

/** Entries whose process is identified exactly in one check; for all of them it checks whether the process id is in use. */
const EXACT_AT_A_TIME = 16;

/** The environment of a watch. */
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
 * Watches one directory. Events of the operating system report most changes at once; a cheap check every 80 ms finds missed ones
 * and dead processes. When the directory cannot be read, the last list stays, without the dead.
 */
export class FileWatch {
  readonly #options: WatchOptions;
  #entries: readonly Entry[] = [];
  #delivered: string | undefined;
  /** Identity and last change of the directory at the last read; empty without a directory. */
  #stamp = '';
  #readAt = 0;
  /** There was an event, or the last read came so soon after a change that another change may have the same time stamp. */
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

  /** A vanished directory is a failure, not an empty list, because its instances still run. */
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

  /** Only the exact check finds a zombie or a reused id; it runs for some entries at a time. */
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
      // An error of a listener does not affect the watch.
    }
  }

  /** Without events (no directory yet, or no more watches available) the checks are enough. */
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

  /** Checks again when `ms` have passed since the last read. */
  #lookSoon(ms: number): void {
    const { clock } = this.#options;
    if (this.#ended) return;
    this.#soon ??= clock.after(Math.max(0, this.#readAt + ms - clock.now()), () => {
      this.#soon = undefined;
      this.#look();
    });
  }
}

/** Identity of the directory; an inode number alone may be reused. */
function identityOf(stat: Stats | undefined): string {
  return stat === undefined ? '' : `${stat.ino}:${stat.birthtimeMs}`;
}

function stampOf(stat: Stats | undefined): string {
  return stat === undefined ? '' : `${identityOf(stat)}:${stat.mtimeMs}`;
}
