import type { Facts, WorkName } from '../../lifecycle/facts.ts';
import {
  CALL_PROTOCOLS,
  DEREGISTER_RESULTS,
  DRAIN_RESULTS,
  ENTRY_ENDS,
  ENTRY_MODES,
  GOAWAY_RESULTS,
  HANDLER_RESULTS,
  HOLD_REASONS,
  OFFLINE_RESULTS,
  OFFLINE_TRIGGERS,
  ONLINE_RESULTS,
  ONLINE_TRIGGERS,
  READINESS,
  REFRESH_RESULTS,
  REGISTER_RESULTS,
} from '../../lifecycle/outcomes.ts';

/** The instrumentation scope of every span of ours. */
export const SCOPE = 'lossless-lifecycle';

/** A value of an attribute. */
export type AttributeValue = string | number | boolean | readonly string[] | readonly number[];

/** Attributes by name. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** What an attribute holds. */
export type AttributeType = 'string' | 'int' | 'double' | 'boolean' | 'string[]' | 'int[]' | 'double[]';

/** One attribute. */
export interface AttributeSchema {
  readonly type: AttributeType;
  readonly doc: string;
  /** The only values it takes. */
  readonly values?: readonly string[];
}

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
  due: 'lossless.offline.due',
  peerService: 'service.peer.name',
  peerServiceOfJaeger: 'peer.service',
  consumerInstanceId: 'lossless.consumer.instance.id',
  consumerVersion: 'lossless.consumer.version',
  consumerZone: 'lossless.consumer.zone',
  consumerProtocols: 'lossless.consumer.protocols',
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
  entryMode: 'lossless.entry.mode',
  entryProbers: 'lossless.entry.probers',
  entryFailedChecks: 'lossless.entry.checks.failed',
  entryTold: 'lossless.entry.told',
  entryToldAfter: 'lossless.entry.told_after',
  entryConnectionsStart: 'lossless.entry.connections.start',
  entryConnectionsEnd: 'lossless.entry.connections.end',
  entryArrivals: 'lossless.entry.connections.per_second',
  entryLastRequest: 'lossless.entry.last_request_after',
  entryPortConnections: 'lossless.entry.ports.connections',
  entryEndedBy: 'lossless.entry.ended_by',
  inflightStart: 'lossless.drain.inflight.start',
  inflightEnd: 'lossless.drain.inflight.end',
  consumersIdle: 'lossless.drain.consumers_idle',
  quiet: 'lossless.drain.quiet',
  hold: 'lossless.drain.hold',
  holdReason: 'lossless.drain.hold.reason',
  longestStall: 'lossless.drain.longest_stall',
  sessionsRetired: 'lossless.drain.sessions.retired',
  tasksStart: 'lossless.drain.tasks.start',
  tasksLeft: 'lossless.drain.tasks.left',
  drainResult: 'lossless.drain.result',
  requestsPerSecond: 'lossless.traffic.requests_per_second',
  requestsSince: 'lossless.traffic.since',
  listeners: 'lossless.stop.listeners',
  socketsIdle: 'lossless.stop.sockets.idle',
  socketsForced: 'lossless.stop.sockets.forced',
  streamsEnded: 'lossless.stop.streams.ended',
  socketsCrossed: 'lossless.stop.sockets.crossed',
  handlerName: 'lossless.handler.name',
  handlerResult: 'lossless.handler.result',
  onlineTrigger: 'lossless.online.trigger',
  onlineResult: 'lossless.online.result',
  locateAttempts: 'lossless.locate.attempts',
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

/** Attributes that repeat another one under its older name, for readers that know only that name. */
export const ALSO: Readonly<Partial<Record<AttributeName, AttributeName>>> = {
  'service.peer.name': 'peer.service',
};

/** The name of an attribute of ours. */
export type AttributeName = (typeof ATTR)[keyof typeof ATTR];

/** Every attribute: its type, meaning and unit. */
export const ATTRIBUTES: Readonly<Record<AttributeName, AttributeSchema>> = {
  'lossless.instance.id': { type: 'string', doc: 'The instance that made the span; one for each address and process.' },
  'lossless.instance.generation': { type: 'int', doc: 'Start of the process, milliseconds since the Unix epoch.' },
  'lossless.service': { type: 'string', doc: 'The service of the instance that made the span.' },
  'lossless.offline.trigger': { type: 'string', doc: 'What caused the offline.', values: OFFLINE_TRIGGERS },
  'lossless.offline.result': {
    type: 'string',
    doc: 'success; incomplete: the instance left safely, but a caller did not learn of the shutdown or the registry did not confirm the removal; timeout: the deadline came with work left; last_instance: the deadline came while consumers still called and had no other instance; error: the plugin failed; killed: the process ended before its shutdown; cancelled: an online undid the offline; never_ready: the instance was never ready and served no request, so it had nothing to lose.',
    values: OFFLINE_RESULTS,
  },
  'lossless.fanout.planned': { type: 'int', doc: 'Recent consumers that get a GoAway.' },
  'lossless.fanout.acked': { type: 'int', doc: 'Consumers that acknowledged that they isolate this instance.' },
  'lossless.fanout.idle': { type: 'int', doc: 'Consumers whose requests to this instance are all done.' },
  'lossless.fanout.failed': { type: 'int', doc: 'Consumers whose GoAway failed.' },
  'lossless.fanout.gone': { type: 'int', doc: 'Callers that had exited and needed no GoAway; not counted as planned.' },
  'lossless.fanout.stranded': {
    type: 'int',
    doc: 'Consumers that still called when the drain ended and had no other instance.',
  },
  'lossless.fanout.complete': { type: 'boolean', doc: 'Every planned GoAway was acked.' },
  'lossless.requests.served': { type: 'int', doc: 'Requests that started during the offline.' },
  'lossless.requests.after_ack': {
    type: 'int',
    doc: 'Requests that arrived after the ack of their consumer, beyond those on their way at that moment.',
  },
  'lossless.requests.unmanaged': { type: 'int', doc: 'Requests during the offline from callers without the plugin.' },
  'lossless.grace_period': { type: 'double', doc: 'Total time for the offline, in seconds.' },
  'lossless.offline.due': {
    type: 'int',
    doc: 'Twelfth of the hour in which the deadline lies, 0 to 11. A shutdown without an end after that was killed.',
  },
  'service.peer.name': { type: 'string', doc: 'The service of the other side.' },
  'peer.service': {
    type: 'string',
    doc: 'The same as service.peer.name under its older name, which Jaeger shows as the other side of a span.',
  },
  'lossless.consumer.instance.id': { type: 'string', doc: 'The consumer instance that gets the GoAway.' },
  'lossless.consumer.version': {
    type: 'string',
    doc: 'Version of the consumer, from its ack: `service.version` of its resource. Absent without an ack, and for version 0.1.0 of the plugin.',
  },
  'lossless.consumer.zone': {
    type: 'string',
    doc: 'LOSSLESS_ZONE of the consumer, from its ack. Absent without an ack, and for version 0.1.0 of the plugin.',
  },
  'lossless.consumer.protocols': {
    type: 'string[]',
    doc: 'Protocols by which the consumer has called this instance, named as in ALPN (h2: HTTP/2), or grpc. The GoAway itself goes by HTTP/1.1.',
    values: CALL_PROTOCOLS,
  },
  'server.address': { type: 'string', doc: "Address of the consumer's control server." },
  'server.port': { type: 'int', doc: "Port of the consumer's control server." },
  'lossless.goaway.result': {
    type: 'string',
    doc: 'acked; gone: the consumer has exited and needs no GoAway (not counted as planned); refused: the port of the consumer refuses, but the consumer still holds a connection; rejected: the consumer answered with an error status; timeout: no first line came in time; unreachable: any other network failure; skipped: no time or no address; cancelled: an online undid the offline first.',
    values: GOAWAY_RESULTS,
  },
  'lossless.goaway.unused': {
    type: 'boolean',
    doc: 'The consumer acked without a list of this service, so the consumer makes no span. Absent otherwise.',
  },
  'lossless.goaway.attempt.count': { type: 'int', doc: 'Calls made, retries included.' },
  'http.response.status_code': { type: 'int', doc: 'Status of the last answer.' },
  'http.request.resend_count': { type: 'int', doc: 'Number of this retry, from 1.' },
  'error.type': { type: 'string', doc: 'Why the span failed; few distinct values.' },
  'lossless.provider.service': { type: 'string', doc: 'The service of the instance that leaves.' },
  'lossless.provider.instance.id': { type: 'string', doc: 'The instance that leaves.' },
  'lossless.provider.generation': { type: 'int', doc: 'The generation of the instance that leaves.' },
  'lossless.provider.address': { type: 'string', doc: 'host:port of the instance that leaves.' },
  'lossless.consumer.addresses': {
    type: 'string[]',
    doc: 'host:port of every instance that the consumer can call after the refresh; at most 100.',
  },
  'lossless.consumer.addresses.before': {
    type: 'string[]',
    doc: 'host:port of every instance that the consumer could call before the GoAway; at most 100. The leaving instance is missing when a draining marker reached the consumer earlier.',
  },
  'lossless.consumer.address_count': {
    type: 'int',
    doc: 'How many instances the consumer can call after the refresh.',
  },
  'lossless.consumer.address_count.before': {
    type: 'int',
    doc: 'How many instances the consumer could call before the GoAway.',
  },
  'lossless.consumer.isolated': {
    type: 'boolean',
    doc: 'The consumer isolates the instance, by this GoAway or an earlier one.',
  },
  'lossless.consumer.refresh.result': {
    type: 'string',
    doc: 'refreshed; stale: the registry still lists the instance; failed: the consumer could not read the registry and keeps its last list; unused: this process has no list of that service.',
    values: REFRESH_RESULTS,
  },
  'lossless.registry.type': { type: 'string', doc: 'Scheme of LOSSLESS_REGISTRY.' },
  'lossless.registry.address': { type: 'string', doc: 'Address of the registry, without credentials.' },
  'lossless.deregister.result': {
    type: 'string',
    doc: 'confirmed: the plugin read the list back, without the instance; unconfirmed: the registry accepted the removal, but still lists the instance or did not send its list; failed; none: the instance never registered; cancelled: an online undid the offline first.',
    values: DEREGISTER_RESULTS,
  },
  'lossless.deregister.listed_after': {
    type: 'int',
    doc: 'Instances of the service in the list that the plugin read back.',
  },
  'lossless.deregister.others': {
    type: 'string[]',
    doc: 'Ids of entries by other writers at the address of this instance, in the list that the plugin read back; at most 100. The deregistration does not wait for them. Consumers isolate the address; callers without the plugin still find it, and if any have called, the result is incomplete. Absent without such entries.',
  },
  'lossless.entry.mode': {
    type: 'string',
    doc: 'serve: the instance accepted connections until callers stayed away; refuse: the instance accepted none from the beginning.',
    values: ENTRY_MODES,
  },
  'lossless.entry.probers': {
    type: 'int',
    doc: 'Balancers and proxies that check this instance and have sent something within ten minutes.',
  },
  'lossless.entry.checks.failed': { type: 'int', doc: 'Failing answers to the checks of these balancers and proxies.' },
  'lossless.entry.told': {
    type: 'boolean',
    doc: 'Each balancer and proxy got LOSSLESS_HEALTH_FAILURES failing answers, or stopped asking.',
  },
  'lossless.entry.told_after': {
    type: 'double',
    doc: 'Time from the trigger until the last balancer or proxy had its failing answers, in seconds. Absent when one never had.',
  },
  'lossless.entry.connections.start': {
    type: 'int',
    doc: 'Open connections of callers without the plugin when the offline began.',
  },
  'lossless.entry.connections.end': {
    type: 'int',
    doc: 'Open connections of callers without the plugin when the wait ended.',
  },
  'lossless.entry.connections.per_second': {
    type: 'double',
    doc: 'New connections a second in the minute before the offline, of callers without a balancer. Absent when fewer than two came.',
  },
  'lossless.entry.last_request_after': {
    type: 'double',
    doc: 'Time from the trigger to the last request of a caller without the plugin, in seconds. Absent without such a request.',
  },
  'lossless.entry.ports.connections': {
    type: 'int',
    doc: 'Connections of the ports of LOSSLESS_ENTRY_PORTS at the last check. Absent without such ports.',
  },
  'lossless.entry.ended_by': {
    type: 'string',
    doc: 'told: every balancer had its failing answers; quiet: no connection came for longer than the pauses between them explain; ports_empty: the proxy beside the application had no connection left; nobody: there were no callers; hold: the hold time was over first; not_told: a balancer had too few failing answers; connected: open and idle connections were left; coming: callers kept coming, and the instance began to refuse connections; refused: it refused them from the beginning; deadline; cancelled: the offline was undone.',
    values: ENTRY_ENDS,
  },
  'lossless.drain.inflight.start': { type: 'int', doc: 'Requests in flight when the drain began.' },
  'lossless.drain.inflight.end': { type: 'int', doc: 'Requests in flight when the drain ended.' },
  'lossless.drain.consumers_idle': { type: 'int', doc: 'Acked consumers that were idle when the drain ended.' },
  'lossless.drain.quiet': { type: 'double', doc: 'Required quiet window, in seconds.' },
  'lossless.drain.hold': {
    type: 'double',
    doc: 'Required hold time, in seconds; 0 when every caller learnt of the shutdown.',
  },
  'lossless.drain.hold.reason': {
    type: 'string',
    doc: 'Reason for the hold time. silent_connection: a connection that has never carried a request.',
    values: HOLD_REASONS,
  },
  'lossless.drain.longest_stall': {
    type: 'double',
    doc: 'Longest event-loop stall seen during the drain, in seconds.',
  },
  'lossless.drain.sessions.retired': { type: 'int', doc: 'HTTP/2 sessions whose clients the instance asked to go.' },
  'lossless.drain.tasks.start': {
    type: 'int',
    doc: 'Tasks of `waitUntil` that were running when the drain began. Absent without any.',
  },
  'lossless.drain.tasks.left': {
    type: 'string[]',
    doc: 'Names of the tasks that were still running at the deadline. Absent without any.',
  },
  'lossless.drain.result': { type: 'string', doc: 'How the drain ended.', values: DRAIN_RESULTS },
  'lossless.traffic.requests_per_second': {
    type: 'int[]',
    doc: 'Requests started in each second, from at most a minute before the offline to its end.',
  },
  'lossless.traffic.since': {
    type: 'int',
    doc: 'Start of the first of those seconds, milliseconds since the Unix epoch.',
  },
  'lossless.stop.listeners': { type: 'int', doc: 'Listening servers closed.' },
  'lossless.stop.sockets.idle': { type: 'int', doc: 'Idle connections closed.' },
  'lossless.stop.sockets.forced': { type: 'int', doc: 'Connections cut with a request in flight, at the deadline.' },
  'lossless.stop.streams.ended': {
    type: 'int',
    doc: 'gRPC streams that were being answered and ended with the status 14 (UNAVAILABLE), because they would have outlived the instance.',
  },
  'lossless.stop.sockets.crossed': {
    type: 'int',
    doc: 'Idle connections on which a client sent a request as they were closed. It got no answer.',
  },
  'lossless.handler.name': { type: 'string', doc: 'Name given to `onOffline`.' },
  'lossless.handler.result': {
    type: 'string',
    doc: 'done; failed: the handler threw or rejected; timeout: the deadline came before its end; cancelled: an online undid the offline first.',
    values: HANDLER_RESULTS,
  },
  'lossless.online.trigger': {
    type: 'string',
    doc: 'start: the application listens; undo: an offline was undone; server: another server of the application takes the place of the registered one, which was closed or is less likely.',
    values: ONLINE_TRIGGERS,
  },
  'lossless.online.result': {
    type: 'string',
    doc: 'success: the instance serves with its full share; cancelled: an offline began before, or its server was closed; error: the plugin failed.',
    values: ONLINE_RESULTS,
  },
  'lossless.locate.attempts': {
    type: 'int',
    doc: 'Attempts to find the server that consumers call, until its address took a connection.',
  },
  'lossless.delay': { type: 'double', doc: 'Wait between listening and the probe, in seconds.' },
  'lossless.probe.path': { type: 'string', doc: 'Path of the probe.' },
  'lossless.probe.attempts': { type: 'int', doc: 'Calls of the probe.' },
  'lossless.preconnect.services': { type: 'int', doc: 'Services to which the plugin built connections.' },
  'lossless.preconnect.planned': { type: 'int', doc: 'Connections to build.' },
  'lossless.preconnect.connected': { type: 'int', doc: 'Connections that the plugin built.' },
  'lossless.preconnect.failed': { type: 'int', doc: 'Connections that the plugin could not build in time.' },
  'lossless.register.attempts': { type: 'int', doc: 'Calls until the registry accepted the entry, or confirmed it.' },
  'lossless.register.result': {
    type: 'string',
    doc: 'confirmed: the plugin read the list back, with the instance; none: the application listens only on a Unix socket; cancelled: an offline began before, or its server was closed.',
    values: REGISTER_RESULTS,
  },
  'lossless.register.listed': { type: 'int', doc: 'Instances of the service in the list that the plugin read back.' },
  'lossless.readiness': { type: 'string', doc: 'Condition of readiness.', values: READINESS },
  'lossless.warmup.duration': { type: 'double', doc: 'Warm-up time, in seconds.' },
  'lossless.warmup.curve': { type: 'double', doc: 'Exponent of the warm-up.' },
  'lossless.warmup.step': { type: 'double', doc: 'Length of one step, in seconds.' },
  'lossless.warmup.weights': {
    type: 'double[]',
    doc: 'Part of its full weight that consumers give this instance in the middle of each step, 0 to 1.',
  },
  'lossless.warmup.requests': { type: 'int[]', doc: 'Requests started in each step.' },
};

/** The kind of a span, as in OpenTelemetry. */
export type Kind = 'INTERNAL' | 'CLIENT' | 'SERVER';

/** On every span, at its creation. */
export const IDENTITY: readonly AttributeName[] = [ATTR.service, ATTR.instanceId, ATTR.generation];

/** One span. */
export interface SpanSchema<W extends WorkName = WorkName> {
  readonly kind: Kind;
  /** The parent span; `null` for a root. */
  readonly parent: WorkName | null;
  readonly doc: string;
  /** The attribute of each fact. A fact in milliseconds becomes an attribute in seconds. */
  readonly attributes: Readonly<Record<keyof Facts[W], AttributeName>>;
  /** The work can fail; its span then has `error.type`. */
  readonly canFail: boolean;
}

const FANOUT = { planned: ATTR.fanoutPlanned, acked: ATTR.fanoutAcked, gone: ATTR.fanoutGone } as const;

/** Every span of a shutdown and of a start. `docs/reference/spans.md` is generated from this table and each exported span is tested against it. */
export const SPANS: { readonly [W in WorkName]: SpanSchema<W> } = {
  offline: {
    kind: 'INTERNAL',
    parent: null,
    doc: 'One shutdown of one instance, from the trigger to the end of the stop. Links to the caller of /offline and to TRACEPARENT.',
    attributes: {
      trigger: ATTR.trigger,
      result: ATTR.offlineResult,
      planned: ATTR.fanoutPlanned,
      acked: ATTR.fanoutAcked,
      idle: ATTR.fanoutIdle,
      failed: ATTR.fanoutFailed,
      gone: ATTR.fanoutGone,
      stranded: ATTR.fanoutStranded,
      complete: ATTR.fanoutComplete,
      deregisterResult: ATTR.deregisterResult,
      drainResult: ATTR.drainResult,
      served: ATTR.served,
      afterAck: ATTR.afterAck,
      unmanaged: ATTR.unmanaged,
      gracePeriodMs: ATTR.gracePeriod,
      due: ATTR.due,
    },
    canFail: true,
  },
  'offline.started': {
    kind: 'INTERNAL',
    parent: 'offline',
    doc: 'Exported at once: proof that a shutdown began, even if the process is killed.',
    attributes: { trigger: ATTR.trigger, gracePeriodMs: ATTR.gracePeriod, due: ATTR.due },
    canFail: false,
  },
  notify: {
    kind: 'INTERNAL',
    parent: 'offline',
    doc: 'GoAways to all recent consumers.',
    attributes: FANOUT,
    canFail: true,
  },
  'notify.service': {
    kind: 'INTERNAL',
    parent: 'notify',
    doc: 'GoAways to the instances of one consumer service.',
    attributes: { consumerService: ATTR.peerService, ...FANOUT },
    canFail: true,
  },
  goaway: {
    kind: 'CLIENT',
    parent: 'notify.service',
    doc: 'GoAway to one consumer, until the first line of its answer.',
    attributes: {
      address: ATTR.serverAddress,
      port: ATTR.serverPort,
      consumerService: ATTR.peerService,
      consumerInstanceId: ATTR.consumerInstanceId,
      protocols: ATTR.consumerProtocols,
      result: ATTR.goawayResult,
      unused: ATTR.goawayUnused,
      consumerVersion: ATTR.consumerVersion,
      consumerZone: ATTR.consumerZone,
      attempts: ATTR.attemptCount,
      statusCode: ATTR.statusCode,
    },
    canFail: true,
  },
  'goaway.attempt': {
    kind: 'CLIENT',
    parent: 'goaway',
    doc: 'One call of a GoAway. Absent when one call was enough.',
    attributes: { resend: ATTR.resendCount, statusCode: ATTR.statusCode },
    canFail: true,
  },
  'consumer.refresh': {
    kind: 'SERVER',
    parent: 'goaway',
    doc: 'In the consumer: isolating the instance and reading the address list again.',
    attributes: {
      providerService: ATTR.providerService,
      providerInstanceId: ATTR.providerInstanceId,
      providerGeneration: ATTR.providerGeneration,
      providerAddress: ATTR.providerAddress,
      addresses: ATTR.addresses,
      addressesBefore: ATTR.addressesBefore,
      addressCount: ATTR.addressCount,
      addressCountBefore: ATTR.addressCountBefore,
      isolated: ATTR.isolated,
      result: ATTR.refreshResult,
    },
    canFail: true,
  },
  deregister: {
    kind: 'CLIENT',
    parent: 'offline',
    doc: 'Leaving the registry and reading the list back.',
    attributes: {
      registryType: ATTR.registryType,
      registryAddress: ATTR.registryAddress,
      result: ATTR.deregisterResult,
      listedAfter: ATTR.listedAfter,
      others: ATTR.deregisterOthers,
    },
    canFail: true,
  },
  entry: {
    kind: 'INTERNAL',
    parent: 'offline',
    doc: 'Waiting for callers without the plugin: which balancers had their failing answers, and why the wait ended. Absent without such callers.',
    attributes: {
      mode: ATTR.entryMode,
      probers: ATTR.entryProbers,
      failedChecks: ATTR.entryFailedChecks,
      told: ATTR.entryTold,
      toldAfterMs: ATTR.entryToldAfter,
      connectionsStart: ATTR.entryConnectionsStart,
      connectionsEnd: ATTR.entryConnectionsEnd,
      arrivalsPerSecond: ATTR.entryArrivals,
      lastRequestAfterMs: ATTR.entryLastRequest,
      portConnections: ATTR.entryPortConnections,
      endedBy: ATTR.entryEndedBy,
    },
    canFail: false,
  },
  drain: {
    kind: 'INTERNAL',
    parent: 'offline',
    doc: 'Waiting until all traffic to this instance is done.',
    attributes: {
      inflightStart: ATTR.inflightStart,
      inflightEnd: ATTR.inflightEnd,
      consumersIdle: ATTR.consumersIdle,
      quietMs: ATTR.quiet,
      holdMs: ATTR.hold,
      holdReason: ATTR.holdReason,
      longestStallMs: ATTR.longestStall,
      sessionsRetired: ATTR.sessionsRetired,
      tasksStart: ATTR.tasksStart,
      tasksLeft: ATTR.tasksLeft,
      result: ATTR.drainResult,
      requestsPerSecond: ATTR.requestsPerSecond,
      requestsSince: ATTR.requestsSince,
    },
    canFail: true,
  },
  stop: {
    kind: 'INTERNAL',
    parent: 'offline',
    doc: 'Closing listeners and connections.',
    attributes: {
      listeners: ATTR.listeners,
      idle: ATTR.socketsIdle,
      forced: ATTR.socketsForced,
      ended: ATTR.streamsEnded,
      crossed: ATTR.socketsCrossed,
    },
    canFail: true,
  },
  handler: {
    kind: 'INTERNAL',
    parent: 'offline',
    doc: 'One handler of `onOffline`: work of the application when its instance leaves. Absent without handlers.',
    attributes: { name: ATTR.handlerName, result: ATTR.handlerResult },
    canFail: true,
  },
  online: {
    kind: 'INTERNAL',
    parent: null,
    doc: 'One instance coming online, from listening to its full share. Links to the offline that was undone and to TRACEPARENT.',
    attributes: { trigger: ATTR.onlineTrigger, result: ATTR.onlineResult, readiness: ATTR.readiness },
    canFail: true,
  },
  'online.started': {
    kind: 'INTERNAL',
    parent: 'online',
    doc: 'Exported within 100 ms: proof that a start began, even if the process dies before its end.',
    attributes: { trigger: ATTR.onlineTrigger },
    canFail: false,
  },
  locate: {
    kind: 'INTERNAL',
    parent: 'online',
    doc: 'Opening the control port, and finding the server that consumers call and its address. Includes the start delay and the probe.',
    attributes: { attempts: ATTR.locateAttempts },
    canFail: false,
  },
  delay: {
    kind: 'INTERNAL',
    parent: 'online',
    doc: 'The start delay. Absent without one.',
    attributes: { delayMs: ATTR.delay },
    canFail: false,
  },
  probe: {
    kind: 'CLIENT',
    parent: 'online',
    doc: 'Asking the application until it answers 2xx. Absent without a probe.',
    attributes: { path: ATTR.probePath, attempts: ATTR.probeAttempts, statusCode: ATTR.statusCode },
    canFail: false,
  },
  preconnect: {
    kind: 'INTERNAL',
    parent: 'online',
    doc: 'Building connections to the services that this service calls. Absent when the plugin knows none.',
    attributes: {
      services: ATTR.preconnectServices,
      planned: ATTR.preconnectPlanned,
      connected: ATTR.preconnectConnected,
      failed: ATTR.preconnectFailed,
    },
    canFail: false,
  },
  register: {
    kind: 'CLIENT',
    parent: 'online',
    doc: 'Writing the entry, until the registry takes it.',
    attributes: {
      registryType: ATTR.registryType,
      registryAddress: ATTR.registryAddress,
      attempts: ATTR.registerAttempts,
    },
    canFail: false,
  },
  'register.read_back': {
    kind: 'CLIENT',
    parent: 'online',
    doc: 'Reading the list until it holds this instance.',
    attributes: { attempts: ATTR.registerAttempts, result: ATTR.registerResult, listed: ATTR.listed },
    canFail: false,
  },
  ready: {
    kind: 'INTERNAL',
    parent: 'online',
    doc: 'The moment from which /readiness answers 200.',
    attributes: { readiness: ATTR.readiness },
    canFail: false,
  },
  warmup: {
    kind: 'INTERNAL',
    parent: 'online',
    doc: 'Consumers send a growing share. Absent without a warm-up.',
    attributes: {
      durationMs: ATTR.warmupDuration,
      curve: ATTR.warmupCurve,
      stepMs: ATTR.warmupStep,
      weights: ATTR.warmupWeights,
      requests: ATTR.warmupRequests,
    },
    canFail: false,
  },
};

/** Attributes that a span of `work` can have beside its identity. */
export function attributesOfSpan(work: WorkName): readonly AttributeName[] {
  const { attributes, canFail } = SPANS[work];
  const said = [...Object.values(attributes), ...(canFail ? [ATTR.errorType] : [])];
  return said.flatMap((name) => [name, ...(ALSO[name] === undefined ? [] : [ALSO[name]])]);
}

/** The name of a span. */
export type SpanName = `lossless.${WorkName}`;

/** The span of a piece of work. */
export function spanName(work: WorkName): SpanName {
  return `lossless.${work}`;
}
