import type { Signal } from '../config/target.ts';
import { asError } from '../errors.ts';
import type { Json } from '../json.ts';
import type { Clock, Timer } from '../lifecycle/clock.ts';
import { within } from '../lifecycle/within.ts';
import type { Log } from '../log.ts';
import type { Answer, Refusal, Rejection } from './collector-client.ts';
import { SIGNALS, type SignalSchema } from './signals.ts';
import type { Spool } from './spool.ts';
import type { Delivery } from './tracing.ts';

/** Longest wait of a finished item before it is sent, in milliseconds. */
const DELAY_MS = 100;

/** Items of one request. */
const BATCH = 512;

/** Most items in memory: the spans of ten shutdowns of 1,000 consumers. Further ones go to the spool unsent. */
const MOST = 20_000;

export interface OutboxOptions<T> {
  /** Signal of the items. */
  readonly signal: Signal;
  readonly clock: Clock;
  /** Resolves with the collector's answer after all retries; `hurry` shortens them and `signal` ends them. Never rejects. */
  readonly send: (body: Json, hurry: AbortSignal, signal: AbortSignal) => Promise<Answer>;
  /** Why the last attempt to send failed; undefined when it succeeded. */
  readonly failure: () => string | undefined;
  readonly spool: Spool;
  /** Called when a batch was spooled and the process goes on. */
  readonly kept: () => void;
  /** The request with these items, in its JSON form. */
  readonly requestOf: (items: readonly T[]) => Json;
  readonly log: Log;
}

/** One request: its number of items, and its body, the same for the collector and for the spool. */
interface Batch {
  readonly count: number;
  readonly body: Json;
}

/**
 * Carries finished items to the collector. Keeps each batch until the collector has acknowledged it, and spools what the
 * collector does not take. The batch processor of OpenTelemetry is not used: it drops what its queue cannot hold, forgets a batch
 * before it is sent, and its `forceFlush` does not wait for a batch on its way.
 */
export class Outbox<T> {
  readonly #options: OutboxOptions<T>;
  readonly #signal: SignalSchema;
  readonly #sending = new Map<Batch, Promise<void>>();
  readonly #keeping = new Map<Batch, Promise<void>>();
  #waiting: T[] = [];
  #timer: Timer | undefined;
  /** Aborted when the close begins: the process waits, so retries are cut short. */
  readonly #hurry = new AbortController();
  /** Aborted when the close spools the rest: no batch is then sent as well. */
  readonly #close = new AbortController();
  #exported = 0;
  #spooled = 0;
  #lost = 0;
  #saidLost = false;
  #saidSpooled = false;
  #saidRefused = false;

  constructor(options: OutboxOptions<T>) {
    this.#options = options;
    this.#signal = SIGNALS[options.signal];
  }

  get delivery(): Delivery {
    return { exported: this.#exported, spooled: this.#spooled, lost: this.#lost };
  }

  /** Takes a finished item; after the close, spools it at once. */
  put(item: T): void {
    if (this.#closed) {
      this.#keepNow(this.#batch([item]));
      return;
    }
    this.#waiting.push(item);
    if (this.#waiting.length >= BATCH) this.flush();
    else this.#timer ??= this.#options.clock.after(DELAY_MS, () => this.flush());
  }

  /** Sends everything that waits, now. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#waiting.length > 0) {
      const batch = this.#batch(this.#waiting.splice(0, BATCH));
      this.#sending.set(batch, this.#deliver(batch));
    }
  }

  /** Resolves when everything that was put is acknowledged, spooled or lost. */
  async settled(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending.values());
  }

  /** Spools what is not acknowledged within `withinMs` milliseconds, or at once when no collector is there; resolves then. */
  async close(withinMs: number): Promise<void> {
    this.#hurry.abort();
    this.flush();
    await within(this.#options.clock, withinMs, this.settled(), () => {});
    this.#close.abort();
    this.flush();
    const why = this.#options.failure() ?? 'no answer in time';
    await Promise.all([...this.#sending.keys()].map((batch) => this.#keep(batch, why)));
  }

  /**
   * Spools what is not acknowledged before it returns: the process ends now, by `process.exit` or an error. This includes
   * batches whose spooling has begun and would not end.
   */
  closeNow(): void {
    this.#close.abort();
    if (this.#waiting.length > 0) this.#keepNow(this.#batch(this.#waiting.splice(0)));
    for (const batch of this.#sending.keys()) this.#keepNow(batch);
    this.#sending.clear();
  }

  get #closed(): boolean {
    return this.#close.signal.aborted;
  }

  #batch(items: readonly T[]): Batch {
    return { count: items.length, body: this.#options.requestOf(items) };
  }

  /** Spools a batch before it returns. */
  #keepNow(batch: Batch): void {
    try {
      this.#options.spool.putNow(JSON.stringify(batch.body));
      this.#spooled += batch.count;
    } catch (thrown) {
      this.#lose(batch, thrown);
    }
  }

  async #deliver(batch: Batch): Promise<void> {
    if (this.#closed) await this.#keep(batch, 'the process ends');
    else if (this.#sending.size * BATCH > MOST) await this.#keep(batch, 'too many wait');
    else await this.#send(batch);
    this.#sending.delete(batch);
  }

  async #send(batch: Batch): Promise<void> {
    const answer = await this.#options.send(batch.body, this.#hurry.signal, this.#close.signal);
    if (this.#closed) return;
    if (answer === undefined) this.#sent(batch);
    else if ('rejected' in answer) this.#split(batch, answer);
    else if (answer.isUnsupported) this.#refused(batch, answer);
    else await this.#keep(batch, answer.reason);
  }

  #sent(batch: Batch): void {
    this.#exported += batch.count;
    if (this.#saidSpooled) this.#options.log('info', `the collector takes ${this.#signal.items} again`);
    this.#saidSpooled = false;
  }

  /** Counts a batch that the collector took in part. It never takes the rest. */
  #split({ count }: Batch, { rejected, reason }: Rejection): void {
    const lost = Math.min(rejected, count);
    this.#exported += count - lost;
    this.#lost += lost;
    this.#options.log('warn', `the collector took ${count - lost} of ${count} ${this.#signal.items}: ${reason}`, {
      code: 'LOSSLESS_EXPORT_FAILED',
    });
  }

  /** Counts a batch whose signal the collector never takes; logs only the first. The spool keeps none of it. */
  #refused({ count }: Batch, { reason }: Refusal): void {
    this.#lost += count;
    if (!this.#saidRefused) this.#options.log('info', `the plugin drops ${this.#signal.items}: ${reason}`);
    this.#saidRefused = true;
  }

  /** Spools a batch at most once; logs only the first of an outage. */
  #keep(batch: Batch, why: string): Promise<void> {
    let kept = this.#keeping.get(batch);
    if (kept === undefined) {
      kept = this.#write(batch, why).finally(() => {
        this.#keeping.delete(batch);
        this.#sending.delete(batch);
      });
      this.#keeping.set(batch, kept);
    }
    return kept;
  }

  async #write(batch: Batch, why: string): Promise<void> {
    const { kept, log, spool } = this.#options;
    try {
      await spool.put(JSON.stringify(batch.body));
      this.#spooled += batch.count;
      kept();
      if (!this.#saidSpooled)
        log('warn', `${this.#signal.items} could not be sent and are spooled: ${why}`, {
          code: 'LOSSLESS_EXPORT_FAILED',
        });
      this.#saidSpooled = true;
    } catch (thrown) {
      this.#lose(batch, thrown);
    }
  }

  /** Counts a lost batch; logs only the first. */
  #lose(batch: Batch, thrown: unknown): void {
    if (!this.#saidLost) this.#options.log('error', asError(thrown).message, { code: 'LOSSLESS_SPOOL_UNWRITABLE' });
    this.#saidLost = true;
    this.#lost += batch.count;
  }
}
