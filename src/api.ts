import { subscribe as listen, unsubscribe } from 'node:diagnostics_channel';
import { type LifecycleRecord, RECORDS } from './lifecycle/records.ts';
import { running } from './plugin/running.ts';
import type { OfflineHandle } from './provider/attendance.ts';
import type { Handler } from './provider/work/handlers.ts';
import type { Status } from './status.ts';

/**
 * Begins the offline of this process, or joins the running one. Its `done` resolves when the instance has left; ending the
 * process is then up to the caller. Before an HTTP server listens there is nothing to leave: `done` then resolves at once
 * with `result: 'refused'`, the state and what to do, and nothing is remembered of it.
 *
 * @returns undefined when the plugin does not run
 */
export function offline(): OfflineHandle | undefined {
  return running()?.offline('api');
}

/**
 * Undoes a running offline, which is possible until its stop begins.
 *
 * @returns false when the plugin does not run, or when there is nothing that can be undone; the log then names the state
 */
export async function online(): Promise<boolean> {
  const plugin = running();
  return plugin !== undefined && (await plugin.online()) === undefined;
}

/** The instance as `/status` shows it; undefined when the plugin does not run. */
export function status(): Status | undefined {
  return running()?.status();
}

/** Without the plugin nobody leaves. */
const NEVER = new AbortController().signal;

/**
 * A signal that is aborted when this instance begins to leave, before anything is cut: end there what no other instance takes over,
 * such as WebSockets (1001, 1012), event streams and the reading of a queue. After an undo the next call answers with another one. The
 * diagnostics channel `lossless:draining` tells the same at the same time, for code that does not import this package.
 *
 * @returns never aborted when the plugin does not run
 */
export function leaving(): AbortSignal {
  return running()?.leaving ?? NEVER;
}

/**
 * Counts work that is no request as work of this instance until `task` settles: a job, a message of a queue. An
 * offline waits for it until its deadline; what is left then makes the result `timeout`. `/status` and the trace name it. In a process
 * that serves no HTTP the offline begins by a signal all the same.
 *
 * A rejection ends it; the first one of each name is a log line (LOSSLESS_TASK_FAILED).
 *
 * @param name what it is, for people: one name for all work of a kind. Default: `work`
 * @returns `task`
 */
export function waitUntil<Task extends PromiseLike<unknown>>(task: Task, name = 'work'): Task {
  running()?.waitUntil(name, task);
  return task;
}

/**
 * Runs `handle` in every offline of this instance, from its beginning, beside the other handlers. It has until the deadline of the offline;
 * the process goes on to its end when all handlers have. Close at once what takes work in, such as the consumer of a queue; what requests
 * need, such as a pool of connections, after `await drained`.
 *
 * Each run is one span, `lossless.handler`. A handler that throws or rejects is one log line and changes nothing else; one that has not
 * ended at the deadline makes the result `timeout`.
 *
 * @param name what it does, for people: it stands in the trace and in the log
 * @returns takes it back; a function without effect when the plugin does not run
 */
export function onOffline(name: string, handle: Handler): () => void {
  return running()?.onOffline(name, handle) ?? (() => {});
}

/**
 * Calls `listener` with every record of the lifecycle: moves of the machine, beginning and end of each piece of work. The diagnostics
 * channel `lossless:record` tells the same, without an import of this package.
 *
 * @returns ends it
 */
export function subscribe(listener: (record: LifecycleRecord) => void): () => void {
  const tell = (record: unknown): void => listener(record as LifecycleRecord);
  listen(RECORDS, tell);
  return () => void unsubscribe(RECORDS, tell);
}
