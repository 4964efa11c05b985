import { afterAll, beforeAll } from 'vitest';
import type { Closable } from './closing.ts';

/** Longest start, in milliseconds: a server in Java on a busy machine may need it. */
const START_MS = 120_000;

/**
 * Call at the top of a file or of a `describe`: starts a thing before the tests and closes it after them. Several start in the order
 * of the calls and close in the opposite one, so that a proxy may name its server.
 */
export function useStarted<T extends Closable>(start: () => Promise<T>): () => T {
  let started: T | undefined;
  beforeAll(async () => {
    started = await start();
  }, START_MS);
  afterAll(() => started?.close());
  return () => {
    if (started === undefined) throw new Error('not started: only hooks and tests that come later may use it');
    return started;
  };
}
