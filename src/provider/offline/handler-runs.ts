import { asError } from '../../errors.ts';
import type { Journal, Work } from '../../lifecycle/journal.ts';
import type { HandlerResult } from '../../lifecycle/outcomes.ts';
import type { Failure, SpanIds } from '../../lifecycle/records.ts';
import type { Handler, NamedHandler } from '../work/handlers.ts';

/** A handler that is running or has run. */
interface Run {
  readonly name: string;
  readonly work: Work<'handler'>;
  readonly controller: AbortController;
  hasEnded: boolean;
  /** Settles when the handler has. Never rejects. */
  settled: Promise<void>;
}

/** The handlers of the application in one offline. They begin with it, or when they are added, and have time until its deadline. */
export class HandlerRuns {
  readonly #journal: Journal;
  readonly #root: SpanIds;
  readonly #drained = Promise.withResolvers<void>();
  readonly #runs: Run[] = [];
  #isOver = false;

  constructor(journal: Journal, root: SpanIds, handlers: readonly NamedHandler[]) {
    this.#journal = journal;
    this.#root = root;
    // Every handler has ended.
    this.#drained.promise.catch(() => {});
    for (const handler of handlers) this.begin(handler);
  }

  /** Runs a handler, unless the offline no longer waits for handlers. */
  begin({ name, handle }: NamedHandler): void {
    if (this.#isOver) return;
    const work = this.#journal.start('handler', { parent: this.#root, facts: { name } });
    const run = { name, work, controller: new AbortController(), hasEnded: false, settled: Promise.resolve() };
    this.#runs.push(run);
    run.settled = this.#run(handle, run);
  }

  /** Names of those that have not ended. */
  get names(): readonly string[] {
    return this.#runs.filter(({ hasEnded }) => !hasEnded).map(({ name }) => name);
  }

  /** Tells the handlers that traffic is over. Resolves when all have ended, those that are added meanwhile too. Never rejects. */
  async finish(): Promise<void> {
    this.#drained.resolve();
    while (this.names.length > 0) await Promise.all(this.#runs.map(({ settled }) => settled));
  }

  /** The offline was undone: handlers that have already ended hear it too. */
  undo(): void {
    this.#isOver = true;
    const reason = new DOMException('the offline was undone', 'AbortError');
    for (const run of this.#runs) {
      end(run, 'cancelled');
      run.controller.abort(reason);
    }
    this.#drained.reject(reason);
  }

  /** The deadline has come: stops waiting for handlers. */
  leave(): void {
    this.#isOver = true;
    const reason = new DOMException('the deadline of the offline has come', 'AbortError');
    for (const run of this.#runs) if (end(run, 'timeout')) run.controller.abort(reason);
    this.#drained.reject(reason);
  }

  async #run(handle: Handler, run: Run): Promise<void> {
    try {
      // In a later turn: the offline tells the consumers first, and a handler may call any function of the plugin.
      await Promise.resolve();
      await handle({
        traceId: this.#root.traceId,
        drained: this.#drained.promise,
        signal: run.controller.signal,
      });
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
