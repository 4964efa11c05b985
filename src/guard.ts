import { asError } from './errors.ts';
import type { Log } from './log.ts';

/**
 * The border between the application and the plugin. When the plugin fails inside a call of the application, it logs one line for
 * each hook, and the call goes on as without the plugin. The next call uses the hook again.
 */
export class Guard {
  readonly #log: Log;
  readonly #said = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** The result of `work`, or `aside` when it throws; for a promise its value, or `aside` when it rejects. */
  attempt<R>(hook: string, work: () => R, aside: () => R): R {
    try {
      const result = work();
      if (!(result instanceof Promise)) return result;
      return result.catch((thrown) => {
        this.#failed(hook, thrown);
        return aside();
      }) as R;
    } catch (thrown) {
      this.#failed(hook, thrown);
    }
    return aside();
  }

  /** A `listener` that never throws and, if it is asynchronous, never rejects. */
  listener<Call extends unknown[]>(hook: string, listener: (...call: Call) => unknown): (...call: Call) => void {
    return (...call) => {
      try {
        const result = listener(...call);
        if (result instanceof Promise) result.catch((thrown) => this.#failed(hook, thrown));
      } catch (thrown) {
        this.#failed(hook, thrown);
      }
    };
  }

  /** Never throws, whatever the log does. */
  #failed(hook: string, thrown: unknown): void {
    try {
      if (this.#said.has(hook)) return;
      this.#said.add(hook);
      const { message, stack } = asError(thrown);
      const code = 'LOSSLESS_HOOK_FAILED';
      this.#log('error', `${hook}: the application goes on without the plugin here: ${message}`, { code, stack });
    } catch {
      // The log itself has failed.
    }
  }
}
