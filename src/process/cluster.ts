import type { Cluster, Worker } from 'node:cluster';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Guard } from '../guard.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { EndSignal } from '../lifecycle/outcomes.ts';
import { within } from '../lifecycle/within.ts';
import { isLoaded } from './modules.ts';

type Told = Omit<Worker, 'exitedAfterDisconnect'> & { exitedAfterDisconnect: boolean };

/** Published for each process that is spawned, a worker of a cluster among them, before Node.js has put it among the workers. */
const SPAWNED = 'child_process';

/**
 * The module; undefined in a process that has not loaded it, which is no worker and has none. To load it costs a start 4 ms. A server
 * that listens loads it, and Node.js itself in each worker.
 */
function nodeCluster(): Cluster | undefined {
  return isLoaded('cluster') ? (process.getBuiltinModule('node:cluster') as unknown as Cluster) : undefined;
}

/** Whether this process is a worker of `node:cluster`. */
export function isWorker(): boolean {
  return nodeCluster()?.isWorker === true;
}

/** Whether this process is a cluster primary that has forked. */
function hasWorkers(): boolean {
  return Object.keys(nodeCluster()?.workers ?? {}).length > 0;
}

/** What the guard calls these. */
const FORK = 'the first fork of a cluster';
const DISCONNECT = 'a primary that is lost';

/** Calls `listener` once this process is a cluster primary that has forked, at once if it is. Returns a function that unsubscribes. */
export function onFirstFork(guard: Guard, listener: () => void): () => void {
  const look = guard.listener(FORK, () => {
    if (!hasWorkers()) return;
    end();
    listener();
  });
  const spawned = (): void => process.nextTick(look);
  const end = (): void => void unsubscribe(SPAWNED, spawned);
  subscribe(SPAWNED, spawned);
  look();
  return end;
}

/**
 * Calls `listener` when a cluster worker loses its primary without having been asked to disconnect. Node.js would then exit with
 * 0, even with requests in flight (lib/internal/cluster/child.js). The plugin marks the channel as left on purpose, so Node.js
 * does not exit, and the listener ends the process. Does nothing in other processes. Returns a function that unsubscribes.
 */
export function onPrimaryLost(guard: Guard, listener: () => void): () => void {
  const worker = nodeCluster()?.worker as Told | undefined;
  if (worker == null) return () => {};
  const disconnected = (): void => {
    if (worker.exitedAfterDisconnect) return;
    const taken = (): boolean => {
      listener();
      return true;
    };
    worker.exitedAfterDisconnect = guard.attempt(DISCONNECT, taken, () => false);
  };
  process.prependListener('disconnect', disconnected);
  return () => void process.off('disconnect', disconnected);
}

/**
 * Passes `signal` on to every worker of a cluster primary and waits until they are gone, `withinMs` milliseconds at most.
 *
 * Policy: a platform signals the primary only. Killed at once, it would take its workers with it (they exit with 0 when the
 * channel closes) and none would drain. So the primary outlives its workers and only then ends in the way the signal asks
 * for. Each worker is marked as leaving on purpose (`worker.exitedAfterDisconnect`), which is what applications ask before
 * they fork a replacement; one that forks without asking gets its new worker, which goes offline when the primary ends.
 */
export async function forwardToWorkers(signal: EndSignal, clock: Clock, withinMs: number): Promise<void> {
  const workers = Object.values(nodeCluster()?.workers ?? {}) as Told[];
  const living = workers.filter((worker) => !worker.isDead());
  const gone = living.map((worker) => new Promise<void>((resolve) => worker.once('exit', () => resolve())));
  for (const worker of living) {
    worker.exitedAfterDisconnect = true;
    worker.process.kill(signal);
  }
  await within(clock, withinMs, Promise.all(gone), () => {});
}
