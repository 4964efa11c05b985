/** Signals that ask a process to end: SIGTERM from platforms, SIGINT from terminals and PM2, the others where they are set. */
export const END_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;
export type EndSignal = (typeof END_SIGNALS)[number];

/** What caused an offline: a signal, a call of `/offline` or of a command, or the programming interface. */
export const OFFLINE_TRIGGERS = [...END_SIGNALS, 'endpoint', 'api'] as const;
export type OfflineTrigger = (typeof OFFLINE_TRIGGERS)[number];

/** How an offline ended. What each result means is said in `docs/reference/spans.md`, of all outcomes in this file. */
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

/** The result that others give to a shutdown whose process did not live to end it. */
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

/** By what consumers call, as ALPN has it; `grpc` is HTTP/2 too. */
export const CALL_PROTOCOLS = ['http/1.1', 'h2', 'grpc'] as const;
export type CallProtocol = (typeof CALL_PROTOCOLS)[number];

/** How a consumer's refresh ended. */
export const REFRESH_RESULTS = ['refreshed', 'stale', 'failed', 'unused'] as const;
export type RefreshResult = (typeof REFRESH_RESULTS)[number];

/** What the registry said to a deregistration. */
export const DEREGISTER_RESULTS = ['confirmed', 'unconfirmed', 'failed', 'none', 'cancelled'] as const;
export type DeregisterResult = (typeof DEREGISTER_RESULTS)[number];

/** How the drain ended. */
export const DRAIN_RESULTS = ['drained', 'timeout', 'cancelled'] as const;
export type DrainResult = (typeof DRAIN_RESULTS)[number];

/** How a handler of the application ended that takes part in an offline. */
export const HANDLER_RESULTS = ['done', 'failed', 'timeout', 'cancelled'] as const;
export type HandlerResult = (typeof HANDLER_RESULTS)[number];

/** Why the hold time had to pass. */
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
 * Why an instance waited no longer for callers without the plugin: nobody came; the balancers that check it knew; no connection came
 * for as long as the pauses between them say; the proxy beside it had none left. Or the hold time was over before that, a balancer did not
 * know, connections were open, or callers came all along; it took no connection from the beginning; the deadline came.
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

/** What callers without the plugin find while an instance leaves. */
export const ENTRY_MODES = ['serve', 'refuse'] as const;
export type EntryMode = (typeof ENTRY_MODES)[number];

/** What caused an online: the application listens, an offline was undone, or another server is registered than before. */
export const ONLINE_TRIGGERS = ['start', 'undo', 'server'] as const;
export type OnlineTrigger = (typeof ONLINE_TRIGGERS)[number];

/** How an online ended. */
export const ONLINE_RESULTS = ['success', 'cancelled', 'error'] as const;
export type OnlineResult = (typeof ONLINE_RESULTS)[number];

/** What the registry said to a registration. */
export const REGISTER_RESULTS = ['confirmed', 'none', 'cancelled'] as const;
export type RegisterResult = (typeof REGISTER_RESULTS)[number];

/** What readiness waits for: that the registry lists the instance, or that the warm-up is over too. */
export const READINESS = ['registered', 'warmed'] as const;
export type Readiness = (typeof READINESS)[number];
