import type { EventEmitter } from 'node:events';
import type { Dispatcher } from 'undici';

/** The initializer of every emitter, which `node:domain` replaces in the same way. */
type Init = (this: EventEmitter, ...options: unknown[]) => void;

/**
 * Calls `take` with the next dispatcher that is constructed in this synchronous run, during its construction, so that its creator
 * cannot have used it yet. A copy of undici that finds no global dispatcher makes one at once, without any event.
 */
export function onBirth(take: (dispatcher: Dispatcher) => void): void {
  const emitter = process.getBuiltinModule('node:events') as unknown as { init: Init };
  const { init } = emitter;
  let isAwaited = true;
  const began: Init = function (...options) {
    init.apply(this, options);
    if (!isAwaited || typeof (this as Partial<Dispatcher>).dispatch !== 'function') return;
    end();
    take(this as Dispatcher);
  };
  const end = (): void => {
    isAwaited = false;
    if (emitter.init === began) emitter.init = init;
  };
  emitter.init = began;
  process.nextTick(end);
}
