import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import type { Guard } from '../guard.ts';
import { isLoaded, onBuiltin } from './modules.ts';

/** Environment key under which every thread finds the number of servers in worker threads, and whether that was logged. */
const KEY = 'lossless-lifecycle.threads';

/** Shared numbers: listening servers, and 1 once that was logged. */
const LISTENING = 0;
const TOLD = 1;

/** Node.js loads it in each worker thread before any other code. To load it costs a start 2 ms. */
const MODULE = 'worker_threads';

export function isMainThread(): boolean {
  return !isLoaded(MODULE) || process.getBuiltinModule(`node:${MODULE}`).isMainThread;
}

/** Call in the main thread before it starts others: they get the shared numbers at their start. */
export function shareThreads(guard: Guard): void {
  const share = (): void =>
    setEnvironmentData(KEY, new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)));
  onBuiltin(MODULE, guard, share);
}

/** @returns the shared numbers; undefined without threads, and in a thread that began before the plugin, or without it */
function shared(): Int32Array | undefined {
  return isLoaded(MODULE) ? (getEnvironmentData(KEY) as Int32Array | undefined) : undefined;
}

/** A server listens in this worker thread. @returns whether that is the first of this process */
export function threadListens(): boolean {
  const numbers = shared();
  if (numbers === undefined) return false;
  Atomics.add(numbers, LISTENING, 1);
  return Atomics.exchange(numbers, TOLD, 1) === 0;
}

/** It has stopped listening. */
export function threadClosed(): void {
  const numbers = shared();
  if (numbers !== undefined) Atomics.sub(numbers, LISTENING, 1);
}

/** How many servers listen in worker threads of this process. */
export function listeningInThreads(): number {
  const numbers = shared();
  return numbers === undefined ? 0 : Atomics.load(numbers, LISTENING);
}
