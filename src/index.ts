/**
 * The programming interface, for applications with work other than HTTP requests. Every function talks to the plugin that
 * `lossless-lifecycle/register` has started in this process, and does nothing without it.
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
