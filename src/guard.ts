import { asError } from './errors.ts';
import type { Log } from './log.ts';

/**
 * The border between the application and the plugin. Whatever of ours fails inside a call of the application is one log line
 * for each hook, and steps aside: that call goes on as without the plugin, and the next one is tried again.
 */
export class Guard {
  readonly #log: Log;
  readonly #said = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** What `work` returns, or `aside` when it throws; of a promise what it resolves with, or `aside` when it rejects. */
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

  /** `listener`, which never throws and, if it is asynchronous, leaves no rejection behind. */
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
      // Nobody is left to tell.
    }
  }
}
