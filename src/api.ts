import { asError, type ErrorCode } from './errors.ts';
import type { LifecycleRecord } from './lifecycle/records.ts';
import { running } from './plugin/running.ts';
import type { OfflineHandle } from './provider/attendance.ts';
import type { Handler } from './provider/work/handlers.ts';
import type { Status } from './status.ts';

/**
 * Begins the offline of this process, or joins the one that has begun: until an undo each call returns the same handle. Its `done`
 * resolves when the instance has left, at the deadline at the latest (`LOSSLESS_GRACE_PERIOD_MS`); the caller then ends the process.
 * Before an HTTP server listens, or `waitUntil` or `onOffline` is called, there is nothing to leave: `done` then resolves at once with
 * `result: 'refused'`, the state and what to do, and a later offline is not affected.
 *
 * @returns undefined when the plugin does not run, as in a worker thread
 */
export function offline(): OfflineHandle | undefined {
  return running()?.offline('api');
}

/**
 * Undoes a running offline, which is possible until its stop begins. Resolves when the offline has ended; the instance then registers
 * again, as `status()` shows. Never rejects.
 *
 * @returns false when the plugin does not run, or when nothing can be undone; the log then names the state
 */
export async function online(): Promise<boolean> {
  const plugin = running();
  return plugin !== undefined && (await plugin.online()) === undefined;
}

/** The instance as `/status` shows it, as it is now; times in milliseconds. Undefined when the plugin does not run. */
export function status(): Status | undefined {
  return running()?.status();
}

/** Never aborted: without the plugin there is no offline. */
const NEVER = new AbortController().signal;

/**
 * A signal that is aborted when this instance begins to leave, before anything is cut. End then what no other instance can take
 * over, such as WebSockets (1001, 1012), event streams and the reading of a queue. After an undo the next call returns a new
 * signal. The diagnostics channel `lossless:draining` carries the same message at the same time, for code that does not import
 * this package. What a listener throws is an uncaught exception, as with any signal.
 *
 * @returns the same signal until an undo; it is aborted already when an offline has begun, and never when the plugin does not run
 */
export function leaving(): AbortSignal {
  return running()?.leaving ?? NEVER;
}

/**
 * Counts a job or a message of a queue as work of this instance until `task` settles. An offline waits for it until its deadline, also
 * for tasks that begin during the offline; a task that runs longer makes the result `timeout`. `/status` and the trace name it. A signal
 * begins an offline in a process that serves no HTTP too.
 *
 * A rejected task counts as over, and is never an unhandled rejection: the first one of each name is a log line
 * (LOSSLESS_TASK_FAILED); without the plugin each is a warning of the process with that code. Who awaits `task` gets the error too.
 *
 * @param name the kind of work, for people, at most 100 characters: use one name for all work of a kind. Beyond 100 names at a time
 * further ones count as `others`. Default: `work`
 * @returns `task`
 */
export function waitUntil<Task extends PromiseLike<unknown>>(task: Task, name = 'work'): Task {
  const plugin = running();
  if (plugin !== undefined) plugin.waitUntil(name, task);
  else Promise.resolve(task).then(undefined, (thrown) => warn(name, thrown));
  return task;
}

/** Without the plugin there is no log. */
function warn(name: string, thrown: unknown): void {
  const code: ErrorCode = 'LOSSLESS_TASK_FAILED';
  process.emitWarning(`${name} of the application failed: ${asError(thrown).message}`, { code });
}

/**
 * Runs `handle` when an offline of this instance begins, at the same time as the other handlers; when one runs already, at once. A
 * handler has until the deadline of the offline (`LOSSLESS_GRACE_PERIOD_MS`); the process ends after all handlers. Close at once what
 * takes in work, such as the consumer of a queue. Close what requests need, such as a pool of connections, after `await drained`.
 * Two calls add two handlers, whatever their names.
 *
 * Each run is one span, `lossless.handler`. A handler that throws or rejects is one log line and changes nothing else; one that
 * still runs at the deadline makes the result `timeout`.
 *
 * @param name the purpose, for people, at most 100 characters: the trace and the log show it
 * @returns a function that removes the handler from later offlines; without effect when the plugin does not run
 */
export function onOffline(name: string, handle: Handler): () => void {
  return running()?.onOffline(name, handle) ?? (() => {});
}

/**
 * Calls `listener` with every record of the lifecycle from now on: moves of the machine, beginning and end of each piece of work. The
 * diagnostics channel `lossless:record` carries the same records, for code that does not import this package.
 *
 * The first time that `listener` throws or rejects is a log line (LOSSLESS_TASK_FAILED), and changes nothing else.
 *
 * @returns a function that ends the subscription; without effect when the plugin does not run
 */
export function subscribe(listener: (record: LifecycleRecord) => unknown): () => void {
  return running()?.subscribe(listener) ?? (() => {});
}
