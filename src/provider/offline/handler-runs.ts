import { asError } from '../../errors.ts';
import type { Journal, Work } from '../../lifecycle/journal.ts';
import type { HandlerResult } from '../../lifecycle/outcomes.ts';
import type { Failure, SpanIds } from '../../lifecycle/records.ts';
import type { Handler, NamedHandler } from '../work/handlers.ts';

/** A handler that is running or has run. */
interface Run {
  readonly work: Work<'handler'>;
  readonly controller: AbortController;
  hasEnded: boolean;
}

/** The handlers of the application in one offline. They begin with it, and have time until its deadline. */
export class HandlerRuns {
  readonly #drained = Promise.withResolvers<void>();
  readonly #runs: ReadonlyMap<NamedHandler, Run>;
  readonly #settled: Promise<unknown>;

  constructor(journal: Journal, root: SpanIds, handlers: readonly NamedHandler[]) {
    // Every handler has ended.
    this.#drained.promise.catch(() => {});
    this.#runs = new Map(
      handlers.map((handler) => {
        const work = journal.start('handler', { parent: root, facts: { name: handler.name } });
        return [handler, { work, controller: new AbortController(), hasEnded: false }];
      }),
    );
    this.#settled = Promise.all([...this.#runs].map(([{ handle }, run]) => this.#run(handle, run, root.traceId)));
  }

  /** Names of those that have not ended. */
  get names(): readonly string[] {
    return [...this.#runs].filter(([, { hasEnded }]) => !hasEnded).map(([{ name }]) => name);
  }

  /** Tells the handlers that traffic is over. Resolves when all have ended. Never rejects. */
  async finish(): Promise<void> {
    this.#drained.resolve();
    await this.#settled;
  }

  /** The offline was undone: handlers that have already ended hear it too. */
  undo(): void {
    const reason = new DOMException('the offline was undone', 'AbortError');
    for (const run of this.#runs.values()) {
      end(run, 'cancelled');
      run.controller.abort(reason);
    }
    this.#drained.reject(reason);
  }

  /** The deadline has come: stops waiting for handlers. */
  leave(): void {
    const reason = new DOMException('the deadline of the offline has come', 'AbortError');
    for (const run of this.#runs.values()) if (end(run, 'timeout')) run.controller.abort(reason);
    this.#drained.reject(reason);
  }

  async #run(handle: Handler, run: Run, traceId: string): Promise<void> {
    try {
      // In a later turn: the offline tells the consumers first, and a handler may call any function of the plugin.
      await Promise.resolve();
      await handle({ traceId, drained: this.#drained.promise, signal: run.controller.signal });
      end(run, 'done');
    } catch (thrown) {
      const { name, message } = asError(thrown);
      end(run, 'failed', { type: name, message });
    }
  }
}

/** @returns false when it had ended before */
function end(run: Run, result: HandlerResult, failure?: Failure): boolean {
  if (run.hasEnded) return false;
  run.hasEnded = true;
  run.work.end({ result }, result === 'timeout' ? LATE : failure);
  return true;
}

const LATE: Failure = { type: 'timeout', message: 'the deadline came before it had ended' };
