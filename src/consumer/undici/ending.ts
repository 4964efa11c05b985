import type { Dispatcher } from 'undici';
import type { Guard } from '../../guard.ts';
import type { Agents } from './agents.ts';
import { symbolOf } from './settings.ts';

/** What the guard calls this. */
const HOOK = 'the end of a dispatcher of undici';

type Step = (...call: unknown[]) => Promise<unknown>;

/**
 * Closes and destroys the agents of a dispatcher together with it: the dispatcher is closed when their requests have ended too, and
 * these fail when it is destroyed. undici calls both as steps of its own, and everything around these steps stays as it is.
 */
export function endsWith(dispatcher: Dispatcher, agents: Agents, guard: Guard): void {
  extend(dispatcher, 'close', () => guard.attempt(HOOK, () => agents.close(), done));
  extend(dispatcher, 'destroy', (error) => guard.attempt(HOOK, () => agents.destroy(error as Error), done));
}

/** @param name what undici calls the symbol of its own step */
function extend(dispatcher: Dispatcher, name: string, more: Step): void {
  const symbol = symbolOf(dispatcher, name);
  const own: unknown = symbol && Reflect.get(dispatcher, symbol);
  if (symbol === undefined || typeof own !== 'function' || !Object.isExtensible(dispatcher)) return;
  const value: Step = async (...call) => {
    await Promise.all([Reflect.apply(own, dispatcher, call), more(...call)]);
  };
  Object.defineProperty(dispatcher, symbol, { value, writable: true, enumerable: false, configurable: true });
}

async function done(): Promise<void> {}
