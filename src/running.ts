import type { Plugin } from './plugin.ts';
import type { AppTracing } from './trace/app-tracing.ts';

/** Where the plugin of this process is found, by every copy of this package. */
export const RUNNING = Symbol.for('lossless-lifecycle.plugin');

/** Where the request traces of this process are found, if they were started. */
export const APP_TRACING = Symbol.for('lossless-lifecycle.app-tracing');

/** The request traces that the plugin started for the application. */
export function appTracing(): AppTracing | undefined {
  return (globalThis as { [APP_TRACING]?: AppTracing })[APP_TRACING];
}

/** The plugin of this process, if it is switched on. Asking for it starts it. */
export function running(): Plugin | undefined {
  return (globalThis as { [RUNNING]?: Plugin })[RUNNING];
}
