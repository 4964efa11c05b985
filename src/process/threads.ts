import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';

/** Where every thread of this process finds how many servers listen in worker threads, and whether that was told. */
const KEY = 'lossless-lifecycle.threads';

/** What is shared: servers that listen, and 1 once it was told. */
const LISTENING = 0;
const TOLD = 1;

/** Call in the main thread before there are others: they get what is shared when they start. */
export function shareThreads(): void {
  if (isMainThread) setEnvironmentData(KEY, new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)));
}

/** @returns the shared numbers; undefined in a thread that began before the plugin, or without it */
function shared(): Int32Array | undefined {
  return getEnvironmentData(KEY) as Int32Array | undefined;
}

/** A server listens in this worker thread. @returns whether that is the first of this process */
export function threadListens(): boolean {
  const numbers = shared();
  if (numbers === undefined) return false;
  Atomics.add(numbers, LISTENING, 1);
  return Atomics.exchange(numbers, TOLD, 1) === 0;
}

/** It does not listen any more. */
export function threadClosed(): void {
  const numbers = shared();
  if (numbers !== undefined) Atomics.sub(numbers, LISTENING, 1);
}

/** How many servers listen in worker threads of this process. */
export function listeningInThreads(): number {
  const numbers = shared();
  return numbers === undefined ? 0 : Atomics.load(numbers, LISTENING);
}
