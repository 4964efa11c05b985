import type { Target } from '../config/target.ts';
import { asError } from '../errors.ts';
import type { Json } from '../json.ts';
import type { Clock, Timer } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import { CollectorClient } from './collector-client.ts';
import { Outbox } from './outbox.ts';
import { replaySpool } from './replay.ts';
import { Spool } from './spool.ts';
import { targetLabel } from './target-label.ts';
import type { Delivery } from './tracing.ts';

/** Interval of replays while the spool holds something, in milliseconds. */
const REPLAY_EVERY_MS = 30_000;

export interface ExporterOptions<T> {
  readonly clock: Clock;
  readonly target: Target;
  readonly spoolDir: string;
  readonly requestOf: (items: readonly T[]) => Json;
  readonly log: Log;
}

/** Sends one signal to its collector: finished items, and what earlier processes left in the spool. */
export class Exporter<T> {
  readonly spool: Spool;
  readonly #collector: CollectorClient;
  readonly #outbox: Outbox<T>;
  readonly #options: ExporterOptions<T>;
  readonly #ending = new AbortController();
  /** The replay that runs. The timer `#again` begins the next one. */
  #replaying: Promise<void> | undefined;
  #again: Timer | undefined;

  constructor(options: ExporterOptions<T>) {
    const { clock, log, requestOf, spoolDir: directory, target } = options;
    const { signal } = target;
    this.#options = options;
    this.spool = new Spool({
      directory,
      // A getter, because a digest loads `node:crypto`, which a process that only calls does not need.
      get target() {
        return targetLabel(target);
      },
      signal,
      clock,
      log,
    });
    this.#collector = new CollectorClient(target, clock);
    this.#outbox = new Outbox<T>({
      signal,
      clock,
      send: (body, hurry, end) => this.#collector.send(body, hurry, end),
      failure: () => this.#collector.failure,
      spool: this.spool,
      requestOf,
      kept: () => this.#replayLater(),
      log,
    });
  }

  get delivery(): Delivery {
    return this.#outbox.delivery;
  }

  /** Whether the shutdown has begun. */
  get isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  /**
   * Sends what earlier processes left. When the process ends by `process.exit` or an error, spools what is not acknowledged.
   *
   * @param exiting further work at that end
   */
  open(...exiting: readonly (() => void)[]): void {
    process.once('exit', () => {
      for (const close of [() => this.#outbox.closeNow(), ...exiting])
        try {
          close();
        } catch {
          // Nobody is left to tell.
        }
    });
    this.#replay();
  }

  put(item: T): void {
    this.#outbox.put(item);
  }

  /** Sends everything that waits, now. */
  flush(): void {
    this.#outbox.flush();
  }

  /** Resolves when everything that was put is acknowledged, spooled or lost. */
  settled(): Promise<void> {
    return this.#outbox.settled();
  }

  /** Ends the replay. Items put later are still sent. */
  end(): void {
    this.#ending.abort();
    this.#again?.cancel();
  }

  /** Sends what waits, and spools what is not acknowledged within `withinMs` milliseconds. Safe to call more than once. */
  async shutdown(withinMs: number): Promise<Delivery> {
    this.end();
    await Promise.all([this.#outbox.close(withinMs), this.#replaying]);
    return this.delivery;
  }

  /** Replays the spool now, and again until it is empty. */
  #replay(): void {
    this.#again?.cancel();
    this.#again = undefined;
    this.#replaying ??= this.#replayOnce().finally(() => {
      this.#replaying = undefined;
    });
  }

  #replayLater(): void {
    if (!this.isEnding) this.#again ??= this.#options.clock.after(REPLAY_EVERY_MS, () => this.#replay());
  }

  async #replayOnce(): Promise<void> {
    const { clock, log } = this.#options;
    const { spool } = this;
    try {
      const replayed = await replaySpool({
        spool,
        collector: this.#collector,
        clock,
        log,
        signal: this.#ending.signal,
      });
      const { sent, removed, waiting, reason } = replayed;
      if (sent > 0)
        log('info', `the plugin sent ${sent} spooled files${reason ? `; ${waiting} still wait: ${reason}` : ''}`);
      if (removed > 0) log('info', `the plugin removed ${removed} spooled files of ${spool.items}: ${reason}`);
      if (waiting > 0) this.#replayLater();
    } catch (thrown) {
      // Nobody awaits a replay, and a broken spool must not end the service.
      log('warn', asError(thrown).message, { code: 'LOSSLESS_EXPORT_FAILED' });
    }
  }
}
