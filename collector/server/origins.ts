import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Origin } from './otlp.ts';

/** Origins by their number. A large one may belong to many spans, so each is read once and kept, until they become too large. */
export class Origins {
  readonly #most: number;
  readonly #select: StatementSync;
  readonly #read = new Map<number, Origin>();
  /** Bytes of the kept origins. */
  bytes = 0;

  /** @param most bytes that are kept */
  constructor(db: DatabaseSync, most: number) {
    this.#most = most;
    this.#select = db.prepare('SELECT body FROM origin WHERE id = ?');
  }

  get(id: number): Origin {
    const known = this.#read.get(id);
    if (known !== undefined) return known;
    const body = String(this.#select.get(id)?.['body']);
    if (this.bytes > this.#most) {
      this.#read.clear();
      this.bytes = 0;
    }
    const origin = JSON.parse(body) as Origin;
    this.#read.set(id, origin);
    this.bytes += body.length;
    return origin;
  }
}
