import type {
  CallProtocol,
  DeregisterResult,
  DrainResult,
  EntryEnd,
  EntryMode,
  GoAwayResult,
  HandlerResult,
  HoldReason,
  OfflineResult,
  OfflineTrigger,
  OnlineResult,
  OnlineTrigger,
  Readiness,
  RefreshResult,
  RegisterResult,
} from './outcomes.ts';

/** Counts of a fan-out. */
export interface Coverage {
  /** Consumers that get a GoAway, without those that had exited. */
  readonly planned: number;
  readonly acked: number;
  readonly idle: number;
  readonly failed: number;
  /** Callers that had exited and needed no GoAway. */
  readonly gone: number;
  /** Consumers that still call and have no other instance. */
  readonly stranded: number;
}

/** Counts of one round of a fan-out. */
type Told = Pick<Coverage, 'planned' | 'acked' | 'gone'>;

/** Type of the registry. */
interface Asked {
  readonly registryType: string;
  /** Address of the registry, without credentials. */
  readonly registryAddress: string;
}

/**
 * What each piece of work records, in the words and units of the lifecycle: a duration is in milliseconds, and its name ends in
 * `Ms`; a moment is in milliseconds since the Unix epoch. `SPANS` in `src/trace/model/schema.ts` says which attribute each fact
 * becomes, and `docs/reference/spans.md` what it means.
 *
 * A fact is recorded once it is known: at the start of the work, or at its end.
 */
export interface Facts {
  readonly offline: Coverage & {
    readonly trigger: OfflineTrigger;
    readonly gracePeriodMs: number;
    /** Which twelfth of the hour its deadline lies in. */
    readonly due: number;
    readonly result: OfflineResult;
    readonly complete: boolean;
    readonly deregisterResult: DeregisterResult;
    readonly drainResult: DrainResult;
    readonly served: number;
    readonly afterAck: number;
    readonly unmanaged: number;
  };
  readonly 'offline.started': Pick<Facts['offline'], 'trigger' | 'gracePeriodMs' | 'due'>;
  readonly notify: Told;
  readonly 'notify.service': Told & { readonly consumerService: string };
  readonly goaway: {
    readonly address: string;
    readonly port: number;
    readonly consumerService: string;
    readonly consumerInstanceId: string;
    /** Protocols by which it has called this instance. */
    readonly protocols: readonly CallProtocol[];
    readonly result: GoAwayResult;
    readonly attempts: number;
    /** Status of the last answer. */
    readonly statusCode: number;
    /** The consumer has no list of this service. */
    readonly unused: true;
    /** From its ack. */
    readonly consumerVersion: string;
    readonly consumerZone: string;
  };
  readonly 'goaway.attempt': {
    /** Number of this retry, from 1. */
    readonly resend: number;
    readonly statusCode: number;
  };
  readonly 'consumer.refresh': {
    readonly providerService: string;
    readonly providerInstanceId: string;
    readonly providerGeneration: number;
    readonly providerAddress: string;
    readonly addressesBefore: readonly string[];
    readonly addressCountBefore: number;
    readonly isolated: true;
    readonly result: RefreshResult;
    readonly addresses: readonly string[];
    readonly addressCount: number;
  };
  readonly deregister: Asked & {
    readonly result: DeregisterResult;
    readonly listedAfter: number;
    /** Ids of entries of others with the address of this instance. */
    readonly others: readonly string[];
  };
  readonly entry: {
    readonly mode: EntryMode;
    /** Balancers and proxies that check this instance. */
    readonly probers: number;
    /** Failing answers to their checks. */
    readonly failedChecks: number;
    readonly told: boolean;
    /** Time from the trigger until the last of them had its failing answers. */
    readonly toldAfterMs: number;
    /** Open connections of callers without the plugin. */
    readonly connectionsStart: number;
    readonly connectionsEnd: number;
    /** New connections a second of callers without a balancer, in the minute before the offline. */
    readonly arrivalsPerSecond: number;
    /** Time from the trigger to the last beginning or end of a request of such callers. */
    readonly lastRequestAfterMs: number;
    /** Connections of the proxy beside the application, at the last check. */
    readonly portConnections: number;
    readonly endedBy: EntryEnd;
  };
  readonly drain: {
    readonly inflightStart: number;
    readonly inflightEnd: number;
    readonly consumersIdle: number;
    readonly quietMs: number;
    readonly holdMs: number;
    readonly holdReason: HoldReason;
    readonly longestStallMs: number;
    /** HTTP/2 sessions that the plugin asked to go. */
    readonly sessionsRetired: number;
    /** Tasks of the application that ran when the drain began. */
    readonly tasksStart: number;
    /** Names of the tasks that ran when it ended. */
    readonly tasksLeft: readonly string[];
    readonly result: DrainResult;
    readonly requestsPerSecond: readonly number[];
    /** Beginning of the first of those seconds. */
    readonly requestsSince: number;
  };
  readonly stop: {
    readonly listeners: number;
    /** Idle connections closed. */
    readonly idle: number;
    /** Connections cut with a request in flight. */
    readonly forced: number;
    /** gRPC streams that were being answered and ended with a status. */
    readonly ended: number;
    /** Idle connections on which a request came as they were closed. */
    readonly crossed: number;
  };
  readonly handler: { readonly name: string; readonly result: HandlerResult };
  readonly online: {
    readonly trigger: OnlineTrigger;
    readonly result: OnlineResult;
    readonly readiness: Readiness;
  };
  readonly 'online.started': { readonly trigger: OnlineTrigger };
  /** Attempts to find the server that consumers call. */
  readonly locate: { readonly attempts: number };
  readonly delay: { readonly delayMs: number };
  readonly probe: { readonly path: string; readonly attempts: number; readonly statusCode?: number };
  readonly preconnect: {
    /** Services that have instances. */
    readonly services: number;
    readonly planned: number;
    readonly connected: number;
    readonly failed: number;
  };
  readonly register: Asked & { readonly attempts: number };
  readonly 'register.read_back': {
    readonly attempts: number;
    readonly result: RegisterResult;
    readonly listed: number;
  };
  readonly ready: { readonly readiness: Readiness };
  readonly warmup: {
    readonly durationMs: number;
    readonly curve: number;
    readonly stepMs: number;
    readonly weights: readonly number[];
    readonly requests: readonly number[];
  };
}

/** A piece of work that is measured and traced; its span is called `lossless.` + this name. */
export type WorkName = keyof Facts;

/** Facts of a piece of work that are known so far; `undefined` is not known. */
export type Known<W extends WorkName> = { readonly [F in keyof Facts[W]]?: Facts[W][F] | undefined };
