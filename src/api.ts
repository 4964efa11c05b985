import type { OfflineHandle } from './plugin.ts';
import { running } from './running.ts';
import type { Status } from './status.ts';

/**
 * Begins the offline of this process, or joins the running one. Its `done` resolves when the instance has left; ending the
 * process is then up to the caller.
 *
 * @returns undefined when the plugin does not run
 */
export function offline(): OfflineHandle | undefined {
  return running()?.offline('api');
}

/**
 * Undoes a running offline.
 *
 * @returns false when the plugin does not run, or when there is nothing that can be undone
 */
export async function online(): Promise<boolean> {
  return (await running()?.online()) ?? false;
}

/** The instance as `/status` shows it; undefined when the plugin does not run. */
export function status(): Status | undefined {
  return running()?.status();
}
