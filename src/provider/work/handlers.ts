/** The offline, as a handler of the application sees it. */
export interface Departure {
  readonly traceId: string;
  /**
   * Resolves when all traffic and all tasks of `waitUntil` are over and no caller can come any more, or when the rest has been cut;
   * then close what requests needed. Rejects with an `AbortError` when the offline is undone, or its deadline comes first.
   */
  readonly drained: Promise<void>;
  /**
   * Aborted when the offline is undone, also after the end of the handler: then open again what it has closed. Aborted at the
   * deadline too.
   */
  readonly signal: AbortSignal;
}

/** Work of the application when its instance leaves. */
export type Handler = (departure: Departure) => unknown;

/** A handler and its name in the trace. */
export interface NamedHandler {
  readonly name: string;
  readonly handle: Handler;
}

/** Longest name, in characters: it is for people. */
const LONGEST_NAME = 100;

/** The handlers of the application for every offline. */
export class Handlers {
  readonly #handlers = new Set<NamedHandler>();

  /** In the order in which they came. */
  get all(): readonly NamedHandler[] {
    return [...this.#handlers];
  }

  add(name: string, handle: Handler): NamedHandler {
    const handler = { name: String(name).slice(0, LONGEST_NAME), handle };
    this.#handlers.add(handler);
    return handler;
  }

  /** Takes it back. */
  remove(handler: NamedHandler): void {
    this.#handlers.delete(handler);
  }
}
