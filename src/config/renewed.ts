import { asError } from '../errors.ts';
import { readLinked } from '../io/small-file.ts';

/** How long a value is used before the files are read again, in milliseconds. */
const FRESH_MS = 1_000;

export interface RenewedOptions<T> {
  readonly files: readonly string[];
  /** Makes the value from the texts of the files, in their order; throws when they are invalid. */
  readonly make: (texts: readonly string[]) => T;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** New content was accepted. */
  readonly onTaken: (value: T) => void;
  /** New content is invalid or missing: the last good value stays. Called once for each cause. */
  readonly onRefused: (cause: Error) => void;
}

/**
 * A value made from files, and made again when their content changes. It reads the files when the value is used, at most once a
 * second. So it needs no watch, and works however a file is replaced (written, renamed, or by a changed link, as Kubernetes
 * does).
 */
export class Renewed<T> {
  readonly #options: RenewedOptions<T>;
  #texts: readonly string[];
  #value: T;
  #readAt: number;
  #refused = '';

  /** @throws Error when the files cannot be read, or `make` refuses them */
  constructor(options: RenewedOptions<T>) {
    this.#options = options;
    this.#texts = options.files.map(readLinked);
    this.#value = options.make(this.#texts);
    this.#readAt = options.now();
  }

  /** The last good value. */
  get value(): T {
    const now = this.#options.now();
    if (now - this.#readAt >= FRESH_MS) {
      this.#readAt = now;
      this.#read();
    }
    return this.#value;
  }

  #read(): void {
    const { files, make, onRefused, onTaken } = this.#options;
    try {
      const texts = files.map(readLinked);
      if (texts.some((text, n) => text !== this.#texts[n])) {
        this.#value = make(texts);
        this.#texts = texts;
        onTaken(this.#value);
      }
      this.#refused = '';
    } catch (thrown) {
      const cause = asError(thrown);
      if (cause.message !== this.#refused) onRefused(cause);
      this.#refused = cause.message;
    }
  }
}
