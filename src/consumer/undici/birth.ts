import type { EventEmitter } from 'node:events';
import type { Dispatcher } from 'undici';

/** What every emitter is begun with; `node:domain` stands there in the same way. */
type Init = (this: EventEmitter, ...options: unknown[]) => void;

/**
 * Calls `take` with the next dispatcher that is made before what runs now is done, while it is being made: whoever makes it
 * cannot have used it yet. A copy of undici that finds no global dispatcher makes one at once, and tells nobody.
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
