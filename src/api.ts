import { running } from './plugin/running.ts';
import type { OfflineHandle } from './provider/attendance.ts';
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
