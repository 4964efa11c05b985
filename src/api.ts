import { subscribe as listen, unsubscribe } from 'node:diagnostics_channel';
import { type LifecycleRecord, RECORDS } from './lifecycle/records.ts';
import { running } from './plugin/running.ts';
import type { OfflineHandle } from './provider/attendance.ts';
import type { Handler } from './provider/work/handlers.ts';
import type { Status } from './status.ts';

/**
 * Begins the offline of this process, or joins the running one. Its `done` resolves when the instance has left; the caller then
 * ends the process. Before an HTTP server listens there is nothing to leave: `done` then resolves at once with `result:
 * 'refused'`, the state and what to do, and a later offline is not affected.
 *
 * @returns undefined when the plugin does not run
 */
export function offline(): OfflineHandle | undefined {
  return running()?.offline('api');
}

/**
 * Undoes a running offline, which is possible until its stop begins.
 *
 * @returns false when the plugin does not run, or when nothing can be undone; the log then names the state
 */
export async function online(): Promise<boolean> {
  const plugin = running();
  return plugin !== undefined && (await plugin.online()) === undefined;
}

/** The instance as `/status` shows it; undefined when the plugin does not run. */
export function status(): Status | undefined {
  return running()?.status();
}

/** Never aborted: without the plugin there is no offline. */
const NEVER = new AbortController().signal;

/**
 * A signal that is aborted when this instance begins to leave, before anything is cut. End then what no other instance can take
 * over, such as WebSockets (1001, 1012), event streams and the reading of a queue. After an undo the next call returns a new
 * signal. The diagnostics channel `lossless:draining` carries the same message at the same time, for code that does not import
 * this package.
 *
 * @returns a signal; it is never aborted when the plugin does not run
 */
export function leaving(): AbortSignal {
  return running()?.leaving ?? NEVER;
}

/**
 * Counts a job or a message of a queue as work of this instance until `task` settles. An offline waits for it until its deadline;
 * a task that runs longer makes the result `timeout`. `/status` and the trace name it. A signal begins an offline in a process
 * that serves no HTTP too.
 *
 * A rejected task counts as over; the first one of each name is a log line (LOSSLESS_TASK_FAILED).
 *
 * @param name the kind of work, for people: use one name for all work of a kind. Default: `work`
 * @returns `task`
 */
export function waitUntil<Task extends PromiseLike<unknown>>(task: Task, name = 'work'): Task {
  running()?.waitUntil(name, task);
  return task;
}

/**
 * Runs `handle` when an offline of this instance begins, at the same time as the other handlers. A handler has until the deadline
 * of the offline; the process ends after all handlers. Close at once what takes in work, such as the consumer of a queue. Close
 * what requests need, such as a pool of connections, after `await drained`.
 *
 * Each run is one span, `lossless.handler`. A handler that throws or rejects is one log line and changes nothing else; one that
 * still runs at the deadline makes the result `timeout`.
 *
 * @param name the purpose, for people: the trace and the log show it
 * @returns a function that removes the handler; without effect when the plugin does not run
 */
export function onOffline(name: string, handle: Handler): () => void {
  return running()?.onOffline(name, handle) ?? (() => {});
}

/**
 * Calls `listener` with every record of the lifecycle: moves of the machine, beginning and end of each piece of work. The
 * diagnostics channel `lossless:record` carries the same records, for code that does not import this package.
 *
 * @returns a function that ends the subscription
 */
export function subscribe(listener: (record: LifecycleRecord) => void): () => void {
  const tell = (record: unknown): void => listener(record as LifecycleRecord);
  listen(RECORDS, tell);
  return () => void unsubscribe(RECORDS, tell);
}
