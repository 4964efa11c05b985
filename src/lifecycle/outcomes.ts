/**
 * Signals that ask a process to end: SIGTERM from platforms, SIGINT from terminals and PM2; SIGHUP and SIGQUIT by configuration.
 */
export const END_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;
export type EndSignal = (typeof END_SIGNALS)[number];

/** What caused an offline: a signal, a call of `/offline` or of a command, or the programming interface. */
export const OFFLINE_TRIGGERS = [...END_SIGNALS, 'endpoint', 'api'] as const;
export type OfflineTrigger = (typeof OFFLINE_TRIGGERS)[number];

/** How an offline ended. `docs/reference/spans.md` explains each result, and the other outcomes of this file. */
export const OFFLINE_RESULTS = [
  'success',
  'incomplete',
  'timeout',
  'last_instance',
  'error',
  'killed',
  'cancelled',
  'never_ready',
] as const;
export type OfflineResult = (typeof OFFLINE_RESULTS)[number];

/** The result of a shutdown whose process died before its end; another process records it. */
export const KILLED = 'killed' satisfies OfflineResult;

/** How one GoAway ended. */
export const GOAWAY_RESULTS = [
  'acked',
  'gone',
  'refused',
  'rejected',
  'timeout',
  'unreachable',
  'skipped',
  'cancelled',
] as const;
export type GoAwayResult = (typeof GOAWAY_RESULTS)[number];

/** Protocols of calls, named as in ALPN; `grpc` is HTTP/2 too. */
export const CALL_PROTOCOLS = ['http/1.1', 'h2', 'grpc'] as const;
export type CallProtocol = (typeof CALL_PROTOCOLS)[number];

/** How a consumer's refresh ended. */
export const REFRESH_RESULTS = ['refreshed', 'stale', 'failed', 'unused'] as const;
export type RefreshResult = (typeof REFRESH_RESULTS)[number];

/** How the registry answered a deregistration. */
export const DEREGISTER_RESULTS = ['confirmed', 'unconfirmed', 'failed', 'none', 'cancelled'] as const;
export type DeregisterResult = (typeof DEREGISTER_RESULTS)[number];

/** How the drain ended. */
export const DRAIN_RESULTS = ['drained', 'timeout', 'cancelled'] as const;
export type DrainResult = (typeof DRAIN_RESULTS)[number];

/** How a handler of `onOffline` ended. */
export const HANDLER_RESULTS = ['done', 'failed', 'timeout', 'cancelled'] as const;
export type HandlerResult = (typeof HANDLER_RESULTS)[number];

/** Reasons for the hold time. */
export const HOLD_REASONS = [
  'none',
  'goaway_failed',
  'unmanaged_caller',
  'entry_not_told',
  'silent_connection',
  'deregister_unconfirmed',
  'callers_overflowed',
  'last_instance',
] as const;
export type HoldReason = (typeof HOLD_REASONS)[number];

/**
 * Why an instance stopped waiting for callers without the plugin. Good ends: there were none; every balancer that checks it was
 * told; no connection came for longer than the usual pauses; the proxy beside it had no connection left. Other ends: the hold
 * time was over first; a balancer was not told; connections were open; callers kept coming; it refused connections from the
 * beginning; the deadline came.
 */
export const ENTRY_ENDS = [
  'nobody',
  'told',
  'quiet',
  'ports_empty',
  'hold',
  'not_told',
  'connected',
  'coming',
  'refused',
  'deadline',
  'cancelled',
] as const;
export type EntryEnd = (typeof ENTRY_ENDS)[number];

/** How a leaving instance treats callers without the plugin. */
export const ENTRY_MODES = ['serve', 'refuse'] as const;
export type EntryMode = (typeof ENTRY_MODES)[number];

/**
 * What caused an online: the application listens, an offline was undone, or another server takes the place of the registered one.
 */
export const ONLINE_TRIGGERS = ['start', 'undo', 'server'] as const;
export type OnlineTrigger = (typeof ONLINE_TRIGGERS)[number];

/** How an online ended. */
export const ONLINE_RESULTS = ['success', 'cancelled', 'error'] as const;
export type OnlineResult = (typeof ONLINE_RESULTS)[number];

/** How the registry answered a registration. */
export const REGISTER_RESULTS = ['confirmed', 'none', 'cancelled'] as const;
export type RegisterResult = (typeof REGISTER_RESULTS)[number];

/** Condition of readiness: the registry lists the instance, or its warm-up is over too. */
export const READINESS = ['registered', 'warmed'] as const;
export type Readiness = (typeof READINESS)[number];
