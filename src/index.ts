/**
 * The programming interface, for applications that want to take part; none of it is needed. It speaks to the plugin that
 * `lossless-lifecycle/register` started in this process.
 */

export { leaving, offline, online, onOffline, status, subscribe, waitUntil } from './api.ts';
export { ERRORS, type ErrorCode, LosslessError } from './errors.ts';
export type { LifecycleRecord } from './lifecycle/records.ts';
export type { Refusal } from './lifecycle/refusal.ts';
export type { State, Trigger } from './lifecycle/transitions.ts';
export type { OfflineHandle } from './provider/attendance.ts';
export type { Draining } from './provider/leaving.ts';
export type { OfflineReport } from './provider/offline/offline.ts';
export type { Departure, Handler } from './provider/work/handlers.ts';
export type { Status } from './status.ts';
