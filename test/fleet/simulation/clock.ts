import type { Clock, Timer } from '../../../src/lifecycle/clock.ts';

/** A timer in the heap. */
interface Entry {
  readonly at: number;
  readonly order: number;
  fire: (() => unknown) | undefined;
}

/**
 * Time that moves when all due work is done: in steps of a millisecond, so that the work of one millisecond runs together. Timers lie
 * in a binary heap, because a fleet has hundreds of thousands.
 */
export class FleetClock implements Clock {
  readonly #heap: Entry[] = [];
  #now = 0;
  #order = 0;

  now = (): number => this.#now;
  wall = (): number => 1_790_000_000_000 + this.#now;
  hold = (): Timer => ({ cancel: () => {} });

  after = (ms: number, fire: () => unknown): Timer => {
    const entry: Entry = { at: this.#now + Math.ceil(Math.max(0, ms)), order: this.#order++, fire };
    this.#push(entry);
    return {
      cancel: () => {
        entry.fire = undefined;
      },
    };
  };

  /** Lets time pass until `until`, or until `isOver` says so. */
  async run(until: number, isOver: () => boolean = () => false): Promise<void> {
    await settled();
    while (!isOver()) {
      const next = this.#heap[0];
      if (next === undefined || next.at > until) break;
      this.#now = next.at;
      for (let due = this.#heap[0]; due !== undefined && due.at <= this.#now; due = this.#heap[0]) {
        this.#pop();
        due.fire?.();
      }
      await settled();
    }
    if (!isOver()) this.#now = until;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    for (let parent = (at - 1) >> 1; at > 0 && isBefore(entry, heap[parent] as Entry); parent = (at - 1) >> 1) {
      heap[at] = heap[parent] as Entry;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Entry, heap[child] as Entry)) child++;
      if (!isBefore(heap[child] as Entry, last)) break;
      heap[at] = heap[child] as Entry;
      at = child;
    }
    heap[at] = last;
  }
}

/** Resolves after the callbacks of all promises that are resolved now. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(one: Entry, other: Entry): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
