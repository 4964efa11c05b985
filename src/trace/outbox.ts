import { asError } from '../errors.ts';
import type { Clock, Timer } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import type { Exporter, FinishedSpan } from './sdk.ts';
import type { Spool } from './spool.ts';
import { suppressTracing } from './suppress.ts';
import type { Delivery } from './tracing.ts';

/** Longest wait of a finished span before it is sent, in milliseconds. */
const DELAY_MS = 100;

/** Spans of one request. */
const BATCH = 512;

/** Most spans in memory: ten shutdowns of 1,000 consumers. Beyond it spans go to the spool unsent. */
const MOST = 20_000;

export interface OutboxOptions {
  readonly clock: Clock;
  readonly exporter: Exporter;
  readonly spool: Spool;
  readonly serialize: (spans: readonly FinishedSpan[]) => string;
  readonly log: Log;
}

/**
 * Finished spans on their way to the collector. Each batch is kept until the collector has acknowledged it; what it does
 * not take is spooled. The SDK's batch processor is not used: it drops what its queue cannot hold, forgets a batch
 * before it is sent, and its `forceFlush` does not wait for one that is on its way.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #sending = new Map<readonly FinishedSpan[], Promise<void>>();
  readonly #keeping = new Map<readonly FinishedSpan[], Promise<void>>();
  #waiting: FinishedSpan[] = [];
  #timer: Timer | undefined;
  #closed = false;
  #exported = 0;
  #spooled = 0;
  #lost = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get delivery(): Delivery {
    return { exported: this.#exported, spooled: this.#spooled, lost: this.#lost };
  }

  /** Takes a span that ended. One that comes after the close is spooled at once. */
  put(span: FinishedSpan): void {
    if (this.#closed) {
      this.#keepNow([span]);
      return;
    }
    this.#waiting.push(span);
    if (this.#waiting.length >= BATCH) this.flush();
    else this.#timer ??= this.#options.clock.after(DELAY_MS, () => this.flush());
  }

  /** Sends everything that waits, now. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH);
      const inMemory = this.#sending.size * BATCH;
      const sent = this.#closed || inMemory > MOST ? this.#keep(batch) : this.#send(batch);
      this.#sending.set(batch, sent);
      void sent.finally(() => this.#sending.delete(batch));
    }
  }

  /** Resolves when every span is acknowledged, or after `withinMs` milliseconds spooled. */
  async close(withinMs: number): Promise<void> {
    this.flush();
    const { clock } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.after(withinMs, resolve);
    await Promise.race([promise, this.#settled()]);
    timer.cancel();
    this.#closed = true;
    await Promise.all([...this.#sending.keys()].map((batch) => this.#keep(batch)));
  }

  /** Spools what is not acknowledged, before it returns: the process ends now, by `process.exit` or an error. */
  closeNow(): void {
    if (this.#closed) return;
    this.#closed = true;
    const batches = [...this.#sending.keys(), ...(this.#waiting.length > 0 ? [this.#waiting] : [])];
    for (const batch of batches) {
      if (!this.#keeping.has(batch)) this.#keepNow(batch);
    }
  }

  /** Spools a batch before it returns. */
  #keepNow(batch: readonly FinishedSpan[]): void {
    const { serialize, spool } = this.#options;
    try {
      spool.putNow(serialize(batch));
      this.#spooled += batch.length;
    } catch (thrown) {
      this.#lose(batch, thrown);
    }
  }

  async #settled(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending.values());
  }

  async #send(batch: readonly FinishedSpan[]): Promise<void> {
    const taken = await suppressTracing(() => this.#options.exporter.send(batch));
    if (this.#closed) return;
    if (taken) this.#exported += batch.length;
    else await this.#keep(batch);
  }

  /** Spools a batch, once. */
  #keep(batch: readonly FinishedSpan[]): Promise<void> {
    let kept = this.#keeping.get(batch);
    if (kept === undefined) {
      kept = this.#write(batch).finally(() => this.#keeping.delete(batch));
      this.#keeping.set(batch, kept);
    }
    return kept;
  }

  async #write(batch: readonly FinishedSpan[]): Promise<void> {
    const { log, serialize, spool } = this.#options;
    try {
      await spool.put(serialize(batch));
      this.#spooled += batch.length;
      log('warn', `${batch.length} spans could not be sent and were spooled`, { code: 'LOSSLESS_EXPORT_FAILED' });
    } catch (thrown) {
      this.#lose(batch, thrown);
    }
  }

  /** Said once; how many in all is in the delivery. */
  #lose(batch: readonly FinishedSpan[], thrown: unknown): void {
    if (this.#lost === 0) this.#options.log('error', asError(thrown).message, { code: 'LOSSLESS_SPOOL_UNWRITABLE' });
    this.#lost += batch.length;
  }
}
