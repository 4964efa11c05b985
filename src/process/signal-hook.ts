import { constants } from 'node:os';
import type { Guard } from '../guard.ts';
import type { EndSignal } from '../lifecycle/outcomes.ts';

/** What the guard calls this. */
const HOOK = 'a signal';

/** What a process does with a signal. */
export type SignalListener = (signal: NodeJS.Signals, number: number) => unknown;

/**
 * Sees signals before every listener of the application, however it was added: before or after the plugin, prepended, once, or
 * after `removeAllListeners`.
 *
 * Node.js binds `process.emit` to the signal when its first listener is added (lib/internal/process/signal.js). So `emit` is
 * replaced during that one call and is the original again afterwards. Earlier listeners are removed and added again in their
 * order. `process.listenerCount` is one higher while the signals are taken.
 */
export class SignalHook {
  readonly #signals: readonly EndSignal[];
  readonly #see: (signal: EndSignal) => boolean;
  /** Keeps Node.js listening to the signal when the application has no listener. */
  readonly #keep: SignalListener = () => {};
  readonly #onRemoved: (event: string | symbol, listener: unknown) => void;

  /**
   * @param see called with each of these signals; false passes the signal to the listeners as without the hook. When it throws,
   *   the hook is removed.
   */
  constructor(signals: readonly EndSignal[], guard: Guard, see: (signal: EndSignal) => boolean) {
    this.#signals = signals;
    this.#see = (signal) =>
      guard.attempt(
        HOOK,
        () => see(signal),
        () => this.#giveBack(signal),
      );
    this.#onRemoved = guard.listener(HOOK, (event, listener) => this.#removed(event, listener));
  }

  take(): void {
    for (const signal of this.#signals) {
      const listeners = process.rawListeners(signal) as SignalListener[];
      for (const listener of listeners) process.removeListener(signal, listener);
      this.#bind(signal);
      for (const listener of listeners) process.on(signal, listener);
    }
    process.on('removeListener', this.#onRemoved);
  }

  release(): void {
    process.removeListener('removeListener', this.#onRemoved);
    for (const signal of this.#signals) process.removeListener(signal, this.#keep);
  }

  /** The application's listeners of `signal`. */
  listeners(signal: EndSignal): readonly SignalListener[] {
    return (process.listeners(signal) as SignalListener[]).filter((listener) => listener !== this.#keep);
  }

  /**
   * Listeners that are hidden from `process.listeners`. A launcher has added them and waits for their report: tsx (its
   * preflight.cjs) kills the process when no report comes within 30 ms. A hidden listener does not decide how the process ends
   * while another one listens.
   */
  relays(signal: EndSignal): readonly SignalListener[] {
    const shown = new Set<unknown>(process.listeners(signal));
    const raw = process.rawListeners(signal) as (SignalListener & { readonly listener?: unknown })[];
    return raw.filter((each) => !shown.has(each.listener ?? each));
  }

  /** Calls the relays with `signal`. */
  tellRelays(signal: EndSignal): void {
    for (const relay of this.relays(signal)) tell(relay, signal);
  }

  /** The application removed all listeners of a signal, and this hook with them. */
  #removed(event: string | symbol, listener: unknown): void {
    const signal = this.#signals.find((name) => name === event);
    if (signal !== undefined && listener === this.#keep) this.#bind(signal);
  }

  /** Leaves `signal` to the application's listeners, and where there are none to the default action. */
  #giveBack(signal: EndSignal): boolean {
    this.release();
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    return false;
  }

  #bind(signal: EndSignal): void {
    const see = this.#see;
    const own = Object.getOwnPropertyDescriptor(process, 'emit');
    const before = process.emit as (...args: unknown[]) => boolean;
    const hook = (event: unknown, ...args: unknown[]): boolean => {
      if (event === signal && see(signal)) return true;
      const emit = process.emit as unknown;
      return emit === hook
        ? before.call(process, event, ...args)
        : (emit as typeof before).call(process, event, ...args);
    };
    Object.defineProperty(process, 'emit', { value: hook, configurable: true, writable: true });
    try {
      process.on(signal, this.#keep);
    } finally {
      if (own === undefined) Reflect.deleteProperty(process, 'emit');
      else Object.defineProperty(process, 'emit', own);
    }
  }
}

/** An error it throws is an uncaught exception, as without the plugin. */
function tell(listener: SignalListener, signal: EndSignal): void {
  try {
    listener.call(process, signal, constants.signals[signal]);
  } catch (thrown) {
    queueMicrotask(() => {
      throw thrown;
    });
  }
}
