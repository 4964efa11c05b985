import type { Plugin } from './plugin.ts';

/** Where the plugin of this process is found, by every copy of this package. */
export const RUNNING = Symbol.for('lossless-lifecycle.plugin');

/** The plugin of this process, if it is switched on. Asking for it starts it. */
export function running(): Plugin | undefined {
  return (globalThis as { [RUNNING]?: Plugin })[RUNNING];
}
