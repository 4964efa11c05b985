/** What an application is told of the offline that it takes part in. */
export interface Departure {
  readonly traceId: string;
  /**
   * Resolves when all traffic and every task of `waitUntil` is over and nobody can come any more, or when the rest has been cut: what
   * requests needed can be closed then. Rejects with an `AbortError` when the offline is undone, or its deadline comes first.
   */
  readonly drained: Promise<void>;
  /** Aborted when the offline is undone, also after the end of the handler: open again what it has closed. Aborted at the deadline too. */
  readonly signal: AbortSignal;
}

/** What an application does when its instance leaves. */
export type Handler = (departure: Departure) => unknown;

/** A handler and its name in the trace. */
export interface NamedHandler {
  readonly name: string;
  readonly handle: Handler;
}

/** Longest name, in characters: it is for people. */
const LONGEST_NAME = 100;

/** What the application has asked to do at every offline. */
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
