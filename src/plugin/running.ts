import type { LifecycleRecord } from '../lifecycle/records.ts';
import type { OfflineHandle } from '../provider/attendance.ts';
import type { Handler } from '../provider/work/handlers.ts';
import type { Status } from '../status.ts';
import type { AppTracing } from '../trace/app-tracing.ts';
import type { Controlled } from './control-routes.ts';

/** Global symbol under which every copy of this package finds the plugin of this process. */
export const RUNNING = Symbol.for('lossless-lifecycle.plugin');

/** Global symbol of the request traces of this process, if they were started. */
export const APP_TRACING = Symbol.for('lossless-lifecycle.app-tracing');

/** The part of the plugin that other copies of this package may use. */
export interface Running extends Pick<Controlled, 'online'> {
  offline(trigger: 'api'): OfflineHandle;
  status(): Status;
  readonly leaving: AbortSignal;
  waitUntil(name: string, task: PromiseLike<unknown>): void;
  onOffline(name: string, handle: Handler): () => void;
  subscribe(listener: (record: LifecycleRecord) => unknown): () => void;
}

/** The request traces that the plugin started for the application. */
export function appTracing(): AppTracing | undefined {
  return (globalThis as { [APP_TRACING]?: AppTracing })[APP_TRACING];
}

/** The plugin of this process, if it is switched on. The first call starts it. */
export function running(): Running | undefined {
  return (globalThis as { [RUNNING]?: Running })[RUNNING];
}
