import { channel } from 'node:diagnostics_channel';

/** The message of the channel `lossless:draining`. */
export interface Draining {
  readonly traceId: string;
  /** Milliseconds until remaining work is cut. */
  readonly leftMs: number;
}

/**
 * Tells the application that its instance leaves while everything still works, so that it can end work that no other instance
 * takes over.
 */
export class Leaving {
  readonly #channel = channel('lossless:draining');
  #controller = new AbortController();

  /** Aborted while the instance leaves; another one after an undo. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** An offline has begun. The application hears it after the offline has told the consumers. */
  begin(draining: Draining): void {
    const controller = this.#controller;
    queueMicrotask(() => {
      controller.abort(new DOMException('this instance leaves', 'AbortError'));
      this.#channel.publish(draining);
    });
  }

  /** The offline was undone. */
  undo(): void {
    if (this.#controller.signal.aborted) this.#controller = new AbortController();
  }
}
