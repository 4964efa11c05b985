import type { Dispatcher } from 'undici';
import type { Dispatch } from './cover.ts';
import { routed } from './routed.ts';

/** Agents of undici by which an application's own tests answer its requests. */
const MOCKS = ['MockAgent', 'SnapshotAgent'];

export function isMock(dispatcher: Dispatcher): boolean {
  return MOCKS.includes(dispatcher.constructor.name);
}

/** `next` for a request whose answer is the mock's alone: the agents beneath hand it on as it is. */
export function asMocked(next: Dispatch): Dispatch {
  return (options, handler) => next(routed(options), handler);
}
