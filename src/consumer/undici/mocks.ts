import type { Dispatcher } from 'undici';
import type { Dispatch } from './cover.ts';
import { routed } from './routed.ts';

/** Agents of undici with which tests of an application answer its requests. */
const MOCKS = ['MockAgent', 'SnapshotAgent'];

export function isMock(dispatcher: Dispatcher): boolean {
  return MOCKS.includes(dispatcher.constructor.name);
}

/** `next` for a request that the mock answers: the agents below pass it on unchanged. */
export function asMocked(next: Dispatch): Dispatch {
  return (options, handler) => next(routed(options), handler);
}
