import { asError, type ErrorCode } from './errors.ts';
import type { LifecycleRecord } from './lifecycle/records.ts';
import { running } from './plugin/running.ts';
import type { OfflineHandle } from './provider/attendance.ts';
import type { Handler } from './provider/work/handlers.ts';
import type { Status } from './status.ts';

/**
 * Begins the offline of this process, or joins the one that has begun: each call is answered with the same handle until an undo. Its
 * `done` resolves when the instance has left, at the deadline at the latest (`LOSSLESS_GRACE_PERIOD_MS`); ending the process is
 * then up to the caller. Before an HTTP server listens, or `waitUntil` or `onOffline` is called, there is nothing to leave: `done` then
 * resolves at once with `result: 'refused'`, the state and what to do, and nothing is remembered of it.
 *
 * @returns undefined when the plugin does not run, as in a worker thread
 */
export function offline(): OfflineHandle | undefined {
  return running()?.offline('api');
}

/**
 * Undoes a running offline, which is possible until its stop begins. Resolves when the offline has ended; the instance is then on its way to
 * be registered again, as `/status` and `status()` show. Never rejects.
 *
 * @returns false when the plugin does not run, or when there is nothing that can be undone; the log then names the state
 */
export async function online(): Promise<boolean> {
  const plugin = running();
  return plugin !== undefined && (await plugin.online()) === undefined;
}

/** The instance as `/status` shows it, as it is now; times in milliseconds. Undefined when the plugin does not run. */
export function status(): Status | undefined {
  return running()?.status();
}

/** Without the plugin nobody leaves. */
const NEVER = new AbortController().signal;

/**
 * A signal that is aborted when this instance begins to leave, before anything is cut: end there what no other instance takes over,
 * such as WebSockets (1001, 1012), event streams and the reading of a queue. After an undo the next call answers with another one. The
 * diagnostics channel `lossless:draining` tells the same at the same time, for code that does not import this package. What a listener of it
 * throws is an uncaught exception, as with any signal.
 *
 * @returns the same signal until an undo, aborted already once an offline has begun; never aborted when the plugin does not run
 */
export function leaving(): AbortSignal {
  return running()?.leaving ?? NEVER;
}

/**
 * Counts work that is no request as work of this instance until `task` settles: a job, a message of a queue. An
 * offline waits for it until its deadline, also for what begins while it runs; what is left then makes the result `timeout`. `/status` and
 * the trace name it. In a process that serves no HTTP the offline begins by a signal all the same.
 *
 * A rejection ends it, and is never an unhandled one: with the plugin the first one of each name is a log line (LOSSLESS_TASK_FAILED),
 * without it each is a warning of the process with that code. Who awaits `task` hears of it too.
 *
 * @param name what it is, for people: one name for all work of a kind, of at most 100 characters. Of more than 100 names at a time the
 * further ones are `others`. Default: `work`
 * @returns `task` itself
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
 * Runs `handle` in every offline of this instance, from its beginning, beside the other handlers; when one runs already, at once. It has until
 * the deadline of the offline (`LOSSLESS_GRACE_PERIOD_MS`); the process goes on to its end when all handlers have. Close at once what takes work in, such as
 * the consumer of a queue; what requests need, such as a pool of connections, after `await drained`. Two calls are two handlers, whatever their names.
 *
 * Each run is one span, `lossless.handler`. A handler that throws or rejects is one log line and changes nothing else; one that has not
 * ended at the deadline makes the result `timeout`.
 *
 * @param name what it does, for people: it stands in the trace and in the log, and is cut after 100 characters
 * @returns takes it back for the offlines to come; a function without effect when the plugin does not run
 */
export function onOffline(name: string, handle: Handler): () => void {
  return running()?.onOffline(name, handle) ?? (() => {});
}

/**
 * Calls `listener` with every record of the lifecycle from now on: moves of the machine, beginning and end of each piece of work. The
 * diagnostics channel `lossless:record` tells the same, without an import of this package.
 *
 * The first time that it throws or rejects is a log line (LOSSLESS_TASK_FAILED), and nothing else comes of it.
 *
 * @returns ends it; a function without effect when the plugin does not run
 */
export function subscribe(listener: (record: LifecycleRecord) => unknown): () => void {
  return running()?.subscribe(listener) ?? (() => {});
}
