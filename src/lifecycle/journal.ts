import type { Clock } from './clock.ts';
import type { Known, WorkName } from './facts.ts';
import { type RandomHex, randomHex } from './random-hex.ts';
import type { Ended, Failure, LifecycleRecord, Moved, SpanIds, Started } from './records.ts';
import type { State, Trigger } from './transitions.ts';

/** Receives every record, synchronously and in order. A sink that throws misses that record and gets the next one. */
export type Sink = (record: LifecycleRecord) => void;

/** The place of a piece of work in its trace. */
export interface WorkOptions<W extends WorkName> {
  /** The work it is part of, in this process. */
  readonly parent?: SpanIds;
  /** The work it is part of, in another process (from a `traceparent`). */
  readonly remoteParent?: SpanIds;
  /** Causes in other traces. */
  readonly links?: readonly SpanIds[];
  /** Facts that are known already. */
  readonly facts?: Known<W>;
  /** Ids from `newRoot`, for work that is announced before it starts. Not together with a parent. */
  readonly ids?: SpanIds;
}

/** A piece of work that has started. It is ended exactly once; a second `end` does nothing. */
export interface Work<W extends WorkName = WorkName> {
  readonly ids: SpanIds;
  /** `failure` marks the span as failed. */
  end(facts?: Known<W>, failure?: Failure): void;
}

/**
 * The one place where records are made. Ids are known when work starts, so that they can be printed and sent to other
 * processes before any telemetry code is loaded.
 */
export class Journal {
  readonly #clock: Clock;
  readonly #hex: RandomHex;
  readonly #sinks = new Set<Sink>();
  readonly #open = new Map<string, Work>();
  #wallAnchor: number;
  #monotonicAnchor: number;

  constructor(clock: Clock, hex: RandomHex = randomHex) {
    this.#clock = clock;
    this.#hex = hex;
    this.#wallAnchor = clock.wall();
    this.#monotonicAnchor = clock.now();
  }

  /** Adds a sink; returns a function that removes it. */
  subscribe(sink: Sink): () => void {
    this.#sinks.add(sink);
    return () => this.#sinks.delete(sink);
  }

  /** Work that has started and not ended, oldest first. */
  get open(): readonly Work[] {
    return [...this.#open.values()];
  }

  /** Records a move, or a refused one (`from` and `to` are then equal). */
  move(kind: 'transition' | 'refused', from: State, trigger: Trigger, to: State, ids?: SpanIds): void {
    this.#emit({ kind, at: this.#now(), from, trigger, to, ...(ids && { ids }) });
  }

  /** Ids of a root that starts later, so that the move that starts it can name them. */
  newRoot(): SpanIds {
    return { traceId: this.#hex(16), spanId: this.#hex(8) };
  }

  /** Records the start of a piece of work. Without a parent it is the root of a new trace. */
  start<W extends WorkName>(work: W, options: WorkOptions<W> = {}): Work<W> {
    const parent = options.parent ?? options.remoteParent;
    const ids = options.ids ?? (parent ? { traceId: parent.traceId, spanId: this.#hex(8) } : this.newRoot());
    this.#emit<W>({
      kind: 'started',
      at: this.#now(),
      work,
      ids,
      ...(parent && { parentSpanId: parent.spanId }),
      ...(options.remoteParent && !options.parent && { remoteParent: true }),
      ...(options.links?.length && { links: options.links }),
      facts: options.facts ?? {},
    });
    const running: Work<W> = {
      ids,
      end: (facts = {}, failure) => {
        const at = this.#now();
        if (!this.#open.delete(ids.spanId)) return;
        this.#emit<W>({ kind: 'ended', at, work, ids, facts, ...(failure && { failure }) });
      },
    };
    this.#open.set(ids.spanId, running);
    return running;
  }

  /**
   * Wall time that runs evenly. A process lives for months while its wall clock is slewed, so the anchor is renewed
   * whenever nothing is open: spans of one run never jump, and two hosts agree as well as their clocks do.
   */
  #now(): number {
    const monotonic = this.#clock.now();
    if (this.#open.size === 0) {
      this.#wallAnchor = this.#clock.wall();
      this.#monotonicAnchor = monotonic;
    }
    return this.#wallAnchor + (monotonic - this.#monotonicAnchor);
  }

  #emit<W extends WorkName>(record: Moved | Started<W> | Ended<W>): void {
    for (const sink of this.#sinks) {
      try {
        // The compiler cannot see that the record of each work is one of the union.
        sink(record as LifecycleRecord);
      } catch {
        // A sink reports its own failures; it must never stop an offline.
      }
    }
  }
}
