import { END_SIGNALS } from '../../config/end-signals.ts';
import type { WorkName } from '../../lifecycle/records.ts';

/** The instrumentation scope of every span of ours. */
export const SCOPE = 'lossless-lifecycle';

/** What an attribute holds. */
export type AttributeType = 'string' | 'int' | 'double' | 'boolean' | 'string[]' | 'int[]' | 'double[]';

/** One attribute. */
export interface AttributeSchema {
  readonly type: AttributeType;
  readonly doc: string;
  /** The only values it takes. */
  readonly values?: readonly string[];
}

/** How an offline ended. */
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

/** What the registry said. */
export const DEREGISTER_RESULTS = ['confirmed', 'unconfirmed', 'failed', 'none', 'cancelled'] as const;
export type DeregisterResult = (typeof DEREGISTER_RESULTS)[number];

/** How the drain ended. */
export const DRAIN_RESULTS = ['drained', 'timeout', 'cancelled'] as const;
export type DrainResult = (typeof DRAIN_RESULTS)[number];

/** How a consumer's refresh ended. */
export const REFRESH_RESULTS = ['refreshed', 'stale', 'failed', 'unused'] as const;
export type RefreshResult = (typeof REFRESH_RESULTS)[number];

/** What caused an offline. */
export const OFFLINE_TRIGGERS = [...END_SIGNALS, 'endpoint', 'api'] as const;
export type OfflineTrigger = (typeof OFFLINE_TRIGGERS)[number];

/** How an online ended. */
export const ONLINE_RESULTS = ['success', 'cancelled', 'error'] as const;

/** What caused an online. */
export const ONLINE_TRIGGERS = ['start', 'undo', 'server'] as const;
export type OnlineTrigger = (typeof ONLINE_TRIGGERS)[number];

/** What the registry said to a registration. */
export const REGISTER_RESULTS = ['confirmed', 'none', 'cancelled'] as const;

/** When an instance is ready. */
export const READINESS = ['registered', 'warmed'] as const;
export type Readiness = (typeof READINESS)[number];

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

/** The names of our attributes. Names of the OpenTelemetry semantic conventions (1.45.0) are used where they fit. */
export const ATTR = {
  instanceId: 'lossless.instance.id',
  generation: 'lossless.instance.generation',
  service: 'lossless.service',
  trigger: 'lossless.offline.trigger',
  offlineResult: 'lossless.offline.result',
  fanoutPlanned: 'lossless.fanout.planned',
  fanoutAcked: 'lossless.fanout.acked',
  fanoutIdle: 'lossless.fanout.idle',
  fanoutFailed: 'lossless.fanout.failed',
  fanoutGone: 'lossless.fanout.gone',
  fanoutStranded: 'lossless.fanout.stranded',
  fanoutComplete: 'lossless.fanout.complete',
  served: 'lossless.requests.served',
  afterAck: 'lossless.requests.after_ack',
  unmanaged: 'lossless.requests.unmanaged',
  gracePeriod: 'lossless.grace_period',
  peerService: 'service.peer.name',
  consumerInstanceId: 'lossless.consumer.instance.id',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  goawayResult: 'lossless.goaway.result',
  attemptCount: 'lossless.goaway.attempt.count',
  goawayUnused: 'lossless.goaway.unused',
  statusCode: 'http.response.status_code',
  resendCount: 'http.request.resend_count',
  errorType: 'error.type',
  providerService: 'lossless.provider.service',
  providerInstanceId: 'lossless.provider.instance.id',
  providerGeneration: 'lossless.provider.generation',
  providerAddress: 'lossless.provider.address',
  addresses: 'lossless.consumer.addresses',
  addressesBefore: 'lossless.consumer.addresses.before',
  addressCount: 'lossless.consumer.address_count',
  addressCountBefore: 'lossless.consumer.address_count.before',
  isolated: 'lossless.consumer.isolated',
  refreshResult: 'lossless.consumer.refresh.result',
  registryType: 'lossless.registry.type',
  registryAddress: 'lossless.registry.address',
  deregisterResult: 'lossless.deregister.result',
  listedAfter: 'lossless.deregister.listed_after',
  deregisterOthers: 'lossless.deregister.others',
  inflightStart: 'lossless.drain.inflight.start',
  inflightEnd: 'lossless.drain.inflight.end',
  consumersIdle: 'lossless.drain.consumers_idle',
  quiet: 'lossless.drain.quiet',
  hold: 'lossless.drain.hold',
  holdReason: 'lossless.drain.hold.reason',
  longestStall: 'lossless.drain.longest_stall',
  drainResult: 'lossless.drain.result',
  requestsPerSecond: 'lossless.traffic.requests_per_second',
  requestsSince: 'lossless.traffic.since',
  listeners: 'lossless.stop.listeners',
  socketsIdle: 'lossless.stop.sockets.idle',
  socketsForced: 'lossless.stop.sockets.forced',
  onlineTrigger: 'lossless.online.trigger',
  onlineResult: 'lossless.online.result',
  delay: 'lossless.delay',
  probePath: 'lossless.probe.path',
  probeAttempts: 'lossless.probe.attempts',
  preconnectServices: 'lossless.preconnect.services',
  preconnectPlanned: 'lossless.preconnect.planned',
  preconnectConnected: 'lossless.preconnect.connected',
  preconnectFailed: 'lossless.preconnect.failed',
  registerAttempts: 'lossless.register.attempts',
  registerResult: 'lossless.register.result',
  listed: 'lossless.register.listed',
  readiness: 'lossless.readiness',
  warmupDuration: 'lossless.warmup.duration',
  warmupCurve: 'lossless.warmup.curve',
  warmupStep: 'lossless.warmup.step',
  warmupWeights: 'lossless.warmup.weights',
  warmupRequests: 'lossless.warmup.requests',
} as const;

/** The name of an attribute of ours. */
export type AttributeName = (typeof ATTR)[keyof typeof ATTR];

/** Attributes as our code sets them: any other name does not compile. */
export type SpanAttributes = {
  readonly [N in AttributeName]?: string | number | boolean | readonly string[] | readonly number[];
};

/** Every attribute: its type, meaning and unit. */
export const ATTRIBUTES: Readonly<Record<AttributeName, AttributeSchema>> = {
  'lossless.instance.id': { type: 'string', doc: 'The instance that made the span; one per address and process.' },
  'lossless.instance.generation': { type: 'int', doc: 'Start of the process, milliseconds since the Unix epoch.' },
  'lossless.service': { type: 'string', doc: 'The service of the instance that made the span.' },
  'lossless.offline.trigger': { type: 'string', doc: 'What caused the offline.', values: OFFLINE_TRIGGERS },
  'lossless.offline.result': {
    type: 'string',
    doc: 'success; incomplete: left safely, but somebody was not told or the registry did not confirm; timeout: the deadline came with work left; last_instance: the deadline came and consumers that still called had nobody else to call; error: our own failure; killed: the process ended before its shutdown did; cancelled: undone by an online; never_ready: it was never ready and served nobody, so there was nothing to lose.',
    values: OFFLINE_RESULTS,
  },
  'lossless.fanout.planned': { type: 'int', doc: 'Recent consumers to tell.' },
  'lossless.fanout.acked': { type: 'int', doc: 'Consumers that said they isolate this instance.' },
  'lossless.fanout.idle': { type: 'int', doc: 'Consumers that have nothing outstanding any more.' },
  'lossless.fanout.failed': { type: 'int', doc: 'Consumers that could not be told.' },
  'lossless.fanout.gone': { type: 'int', doc: 'Callers that had ended, so nobody was there to tell; not planned.' },
  'lossless.fanout.stranded': {
    type: 'int',
    doc: 'Consumers that still called and had no other instance to call when the drain ended.',
  },
  'lossless.fanout.complete': { type: 'boolean', doc: 'Every planned GoAway was acked.' },
  'lossless.requests.served': { type: 'int', doc: 'Requests that started during the offline.' },
  'lossless.requests.after_ack': {
    type: 'int',
    doc: 'Requests that arrived after the ack of their consumer, beyond those it said were on their way.',
  },
  'lossless.requests.unmanaged': { type: 'int', doc: 'Requests during the offline of callers without the plugin.' },
  'lossless.grace_period': { type: 'double', doc: 'Total budget of the offline, in seconds.' },
  'service.peer.name': { type: 'string', doc: 'The service of the other side.' },
  'lossless.consumer.instance.id': { type: 'string', doc: 'The consumer instance that is told.' },
  'server.address': { type: 'string', doc: "Address of the consumer's control server." },
  'server.port': { type: 'int', doc: "Port of the consumer's control server." },
  'lossless.goaway.result': {
    type: 'string',
    doc: 'acked; gone: the consumer has ended, so there was nobody to tell (not counted as planned); refused: nobody listens, but it still holds a connection; rejected: answered with an error status; timeout: no first line in time; unreachable: any other network failure; skipped: no time or no address; cancelled: the offline was undone before.',
    values: GOAWAY_RESULTS,
  },
  'lossless.goaway.unused': {
    type: 'boolean',
    doc: 'The consumer acked that it has no list of this service: it makes no span. Absent otherwise.',
  },
  'lossless.goaway.attempt.count': { type: 'int', doc: 'Calls made, retries included.' },
  'http.response.status_code': { type: 'int', doc: 'Status of the last answer.' },
  'http.request.resend_count': { type: 'int', doc: 'Which retry this is, from 1.' },
  'error.type': { type: 'string', doc: 'Why the span failed; few distinct values.' },
  'lossless.provider.service': { type: 'string', doc: 'The service of the instance that leaves.' },
  'lossless.provider.instance.id': { type: 'string', doc: 'The instance that leaves.' },
  'lossless.provider.generation': { type: 'int', doc: 'The generation of the instance that leaves.' },
  'lossless.provider.address': { type: 'string', doc: 'host:port of the instance that leaves.' },
  'lossless.consumer.addresses': {
    type: 'string[]',
    doc: 'host:port of every instance that can be picked after the refresh; at most 100.',
  },
  'lossless.consumer.addresses.before': {
    type: 'string[]',
    doc: 'host:port of every instance that could be picked before the GoAway; at most 100. The instance is not among them when a response told its consumer earlier.',
  },
  'lossless.consumer.address_count': { type: 'int', doc: 'How many instances can be picked after the refresh.' },
  'lossless.consumer.address_count.before': { type: 'int', doc: 'How many could be picked before the GoAway.' },
  'lossless.consumer.isolated': { type: 'boolean', doc: 'The instance is isolated by this GoAway or an earlier one.' },
  'lossless.consumer.refresh.result': {
    type: 'string',
    doc: 'refreshed; stale: the registry still lists the instance; failed: the registry could not be read, the last good list is kept; unused: this process has no list of that service.',
    values: REFRESH_RESULTS,
  },
  'lossless.registry.type': { type: 'string', doc: 'Scheme of LOSSLESS_REGISTRY.' },
  'lossless.registry.address': { type: 'string', doc: 'Where the registry is, without credentials.' },
  'lossless.deregister.result': {
    type: 'string',
    doc: 'confirmed: read back, not listed; unconfirmed: the registry said yes but still lists the instance, or could not be read back; failed; none: was never registered; cancelled: the offline was undone before.',
    values: DEREGISTER_RESULTS,
  },
  'lossless.deregister.listed_after': { type: 'int', doc: 'Instances of the service listed when read back.' },
  'lossless.deregister.others': {
    type: 'string[]',
    doc: 'Ids of entries of others with the address of this instance, listed when read back; at most 100. They are not waited for. Consumers isolate the address; callers without the plugin still find it, and if there are any the result is incomplete. Absent without any.',
  },
  'lossless.drain.inflight.start': { type: 'int', doc: 'Requests in flight when the drain began.' },
  'lossless.drain.inflight.end': { type: 'int', doc: 'Requests in flight when the drain ended.' },
  'lossless.drain.consumers_idle': { type: 'int', doc: 'Acked consumers that were idle when the drain ended.' },
  'lossless.drain.quiet': { type: 'double', doc: 'Quiet window that had to pass, in seconds.' },
  'lossless.drain.hold': { type: 'double', doc: 'Hold time that had to pass, in seconds; 0 when everybody was told.' },
  'lossless.drain.hold.reason': {
    type: 'string',
    doc: 'Why the hold time had to pass. silent_connection: somebody is connected who has never said anything.',
    values: HOLD_REASONS,
  },
  'lossless.drain.longest_stall': {
    type: 'double',
    doc: 'Longest event-loop stall seen during the drain, in seconds.',
  },
  'lossless.drain.result': { type: 'string', doc: 'How the drain ended.', values: DRAIN_RESULTS },
  'lossless.traffic.requests_per_second': {
    type: 'int[]',
    doc: 'Requests started in each second, from at most 30 s before the offline to its end.',
  },
  'lossless.traffic.since': {
    type: 'int',
    doc: 'Start of the first of those seconds, milliseconds since the Unix epoch.',
  },
  'lossless.stop.listeners': { type: 'int', doc: 'Listening servers closed.' },
  'lossless.stop.sockets.idle': { type: 'int', doc: 'Idle connections closed.' },
  'lossless.stop.sockets.forced': { type: 'int', doc: 'Connections cut with a request in flight, at the deadline.' },
  'lossless.online.trigger': {
    type: 'string',
    doc: 'start: the application listens; undo: an offline was undone; server: another server of the application is registered than before, because the former was closed or another one is preferred.',
    values: ONLINE_TRIGGERS,
  },
  'lossless.online.result': {
    type: 'string',
    doc: 'success: it serves with its full share; cancelled: an offline began before, or its server was closed; error: our own failure.',
    values: ONLINE_RESULTS,
  },
  'lossless.delay': { type: 'double', doc: 'Wait between listening and the probe, in seconds.' },
  'lossless.probe.path': { type: 'string', doc: 'Path that the application is asked for.' },
  'lossless.probe.attempts': { type: 'int', doc: 'Times it was asked.' },
  'lossless.preconnect.services': { type: 'int', doc: 'Services that connections were built to.' },
  'lossless.preconnect.planned': { type: 'int', doc: 'Connections to build.' },
  'lossless.preconnect.connected': { type: 'int', doc: 'Connections that stand.' },
  'lossless.preconnect.failed': { type: 'int', doc: 'Connections that could not be built in time.' },
  'lossless.register.attempts': { type: 'int', doc: 'Calls made until the registry took the entry, or confirmed it.' },
  'lossless.register.result': {
    type: 'string',
    doc: 'confirmed: read back, listed; none: the application listens on a Unix socket alone; cancelled: an offline began before, or its server was closed.',
    values: REGISTER_RESULTS,
  },
  'lossless.register.listed': { type: 'int', doc: 'Instances of the service listed when read back.' },
  'lossless.readiness': { type: 'string', doc: 'What readiness waited for.', values: READINESS },
  'lossless.warmup.duration': { type: 'double', doc: 'Warm-up time, in seconds.' },
  'lossless.warmup.curve': { type: 'double', doc: 'Exponent of the warm-up.' },
  'lossless.warmup.step': { type: 'double', doc: 'Length of one step, in seconds.' },
  'lossless.warmup.weights': {
    type: 'double[]',
    doc: 'Part of its full weight that consumers give the instance in the middle of each step, 0 to 1.',
  },
  'lossless.warmup.requests': { type: 'int[]', doc: 'Requests started in each step.' },
};

/** The kind of a span, as OpenTelemetry names it. */
export type Kind = 'INTERNAL' | 'CLIENT' | 'SERVER';

/** One span. Identity attributes are on every span and not repeated here. */
export interface SpanSchema {
  readonly kind: Kind;
  /** The span it hangs under; `null` for the root. */
  readonly parent: WorkName | null;
  readonly doc: string;
  readonly attributes: readonly AttributeName[];
}

/** On every span, at its creation. */
export const IDENTITY: readonly AttributeName[] = [ATTR.service, ATTR.instanceId, ATTR.generation];

/** Every span of a shutdown and of a start. `docs/reference/spans.md` is generated from this table and each exported span is tested against it. */
export const SPANS: Readonly<Record<WorkName, SpanSchema>> = {
  offline: {
    kind: 'INTERNAL',
    parent: null,
    doc: 'One shutdown of one instance, from the trigger to the end of the stop. Links to the caller of /offline and to TRACEPARENT.',
    attributes: [
      ATTR.trigger,
      ATTR.offlineResult,
      ATTR.fanoutPlanned,
      ATTR.fanoutAcked,
      ATTR.fanoutIdle,
      ATTR.fanoutFailed,
      ATTR.fanoutGone,
      ATTR.fanoutStranded,
      ATTR.fanoutComplete,
      ATTR.deregisterResult,
      ATTR.drainResult,
      ATTR.served,
      ATTR.afterAck,
      ATTR.unmanaged,
      ATTR.gracePeriod,
      ATTR.errorType,
    ],
  },
  'offline.started': {
    kind: 'INTERNAL',
    parent: 'offline',
    doc: 'Exported at once: proof that a shutdown began even if the process is killed.',
    attributes: [ATTR.trigger, ATTR.gracePeriod],
  },
  notify: {
    kind: 'INTERNAL',
    parent: 'offline',
    doc: 'Telling every recent consumer.',
    attributes: [ATTR.fanoutPlanned, ATTR.fanoutAcked, ATTR.fanoutGone, ATTR.errorType],
  },
  'notify.service': {
    kind: 'INTERNAL',
    parent: 'notify',
    doc: 'Telling the instances of one consumer service.',
    attributes: [ATTR.peerService, ATTR.fanoutPlanned, ATTR.fanoutAcked, ATTR.fanoutGone, ATTR.errorType],
  },
  goaway: {
    kind: 'CLIENT',
    parent: 'notify.service',
    doc: 'Telling one consumer, until its first line.',
    attributes: [
      ATTR.serverAddress,
      ATTR.serverPort,
      ATTR.peerService,
      ATTR.consumerInstanceId,
      ATTR.goawayResult,
      ATTR.goawayUnused,
      ATTR.attemptCount,
      ATTR.statusCode,
      ATTR.errorType,
    ],
  },
  'goaway.attempt': {
    kind: 'CLIENT',
    parent: 'goaway',
    doc: 'One call, when more than one was needed.',
    attributes: [ATTR.resendCount, ATTR.statusCode, ATTR.errorType],
  },
  'consumer.refresh': {
    kind: 'SERVER',
    parent: 'goaway',
    doc: 'In the consumer: isolating the instance and reading the address list again.',
    attributes: [
      ATTR.providerService,
      ATTR.providerInstanceId,
      ATTR.providerGeneration,
      ATTR.providerAddress,
      ATTR.addresses,
      ATTR.addressesBefore,
      ATTR.addressCount,
      ATTR.addressCountBefore,
      ATTR.isolated,
      ATTR.refreshResult,
      ATTR.errorType,
    ],
  },
  deregister: {
    kind: 'CLIENT',
    parent: 'offline',
    doc: 'Leaving the registry and reading the list back.',
    attributes: [
      ATTR.registryType,
      ATTR.registryAddress,
      ATTR.deregisterResult,
      ATTR.listedAfter,
      ATTR.deregisterOthers,
      ATTR.errorType,
    ],
  },
  drain: {
    kind: 'INTERNAL',
    parent: 'offline',
    doc: 'Waiting until all traffic to this instance is done.',
    attributes: [
      ATTR.inflightStart,
      ATTR.inflightEnd,
      ATTR.consumersIdle,
      ATTR.quiet,
      ATTR.hold,
      ATTR.holdReason,
      ATTR.longestStall,
      ATTR.drainResult,
      ATTR.requestsPerSecond,
      ATTR.requestsSince,
      ATTR.errorType,
    ],
  },
  stop: {
    kind: 'INTERNAL',
    parent: 'offline',
    doc: 'Closing listeners and connections.',
    attributes: [ATTR.listeners, ATTR.socketsIdle, ATTR.socketsForced, ATTR.errorType],
  },
  online: {
    kind: 'INTERNAL',
    parent: null,
    doc: 'One instance coming online, from listening to its full share. Links to the offline that was undone and to TRACEPARENT.',
    attributes: [ATTR.onlineTrigger, ATTR.onlineResult, ATTR.readiness, ATTR.errorType],
  },
  'online.started': {
    kind: 'INTERNAL',
    parent: 'online',
    doc: 'Exported at once: proof that a start began even if the process does not live to its end.',
    attributes: [ATTR.onlineTrigger],
  },
  delay: {
    kind: 'INTERNAL',
    parent: 'online',
    doc: 'The start delay. Absent without one.',
    attributes: [ATTR.delay],
  },
  probe: {
    kind: 'CLIENT',
    parent: 'online',
    doc: 'Asking the application until it answers 2xx. Absent without a probe.',
    attributes: [ATTR.probePath, ATTR.probeAttempts, ATTR.statusCode],
  },
  preconnect: {
    kind: 'INTERNAL',
    parent: 'online',
    doc: 'Building connections to the services that this one calls. Absent when none are known.',
    attributes: [ATTR.preconnectServices, ATTR.preconnectPlanned, ATTR.preconnectConnected, ATTR.preconnectFailed],
  },
  register: {
    kind: 'CLIENT',
    parent: 'online',
    doc: 'Writing the entry, until the registry takes it.',
    attributes: [ATTR.registryType, ATTR.registryAddress, ATTR.registerAttempts],
  },
  'register.read_back': {
    kind: 'CLIENT',
    parent: 'online',
    doc: 'Reading the list until it holds this instance.',
    attributes: [ATTR.registerAttempts, ATTR.registerResult, ATTR.listed],
  },
  ready: {
    kind: 'INTERNAL',
    parent: 'online',
    doc: 'The moment from which /readiness answers 200.',
    attributes: [ATTR.readiness],
  },
  warmup: {
    kind: 'INTERNAL',
    parent: 'online',
    doc: 'Consumers send a growing share. Absent without a warm-up.',
    attributes: [ATTR.warmupDuration, ATTR.warmupCurve, ATTR.warmupStep, ATTR.warmupWeights, ATTR.warmupRequests],
  },
};

/** The name of a span. */
export type SpanName = `lossless.${WorkName}`;

/** The span of a piece of work. */
export function spanName(work: WorkName): SpanName {
  return `lossless.${work}`;
}
