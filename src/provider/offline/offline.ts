import { asError } from '../../errors.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { Deadline } from '../../lifecycle/deadline.ts';
import type { Journal, Work } from '../../lifecycle/journal.ts';
import type { Machine } from '../../lifecycle/machine.ts';
import type { Failure, SpanIds } from '../../lifecycle/records.ts';
import { refusal } from '../../lifecycle/refusal.ts';
import type { Trigger } from '../../lifecycle/transitions.ts';
import { listeningInThreads } from '../../process/threads.ts';
import { encodeDraining } from '../../protocol/header.ts';
import { hostPort } from '../../protocol/host-port.ts';
import type { Identity } from '../../protocol/identity.ts';
import type { Registry } from '../../registry/registry.ts';
import { ATTR, type HoldReason, type OfflineResult, type OfflineTrigger } from '../../trace/model/schema.ts';
import { Entry } from '../entry/entry.ts';
import { EntryPorts } from '../entry/entry-ports.ts';
import type { Probers } from '../entry/probers.ts';
import type { Deregistered, Registration } from '../registration/registration.ts';
import type { Callers } from '../traffic/callers.ts';
import type { Curve } from '../traffic/curve.ts';
import { unreadInKernel } from '../traffic/kernel.ts';
import type { RecentCaller } from '../traffic/recent-caller.ts';
import { isShared } from '../traffic/shared-port.ts';
import type { Traffic } from '../traffic/traffic.ts';
import type { Unmanaged } from '../traffic/unmanaged.ts';
import type { Coverage } from './coverage.ts';
import { Drain, type Drained, type Holding } from './drain.ts';
import { Fanout, type FanoutOptions } from './fanout.ts';
import { Presences } from './presence.ts';
import { stop, stopListening } from './stop.ts';

/** Time kept for sending the trace: at most this many milliseconds, and at most a quarter of the grace period. */
const TELEMETRY_RESERVE_MS = 2_000;

/**
 * How long consumers keep an isolation beyond the deadline, and the longest that can be asked for, in milliseconds: registries may
 * name an instance for a while that has gone.
 */
const ISOLATION_BEYOND_MS = 30_000;
const LONGEST_ISOLATION_MS = 600_000;

/** Longest wait for the registry, in milliseconds; a registry that is down must leave time for the drain. */
const REGISTRY_MS = 10_000;

/** Most ids of other entries on a span. */
const MOST_OTHERS = 100;

/** What an offline works with. */
export interface OfflineContext {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly machine: Machine;
  readonly traffic: Traffic;
  readonly callers: Callers;
  readonly unmanaged: Unmanaged;
  readonly probers: Probers;
  /** Connections of callers that no balancer sends, a second, of the last minute. */
  readonly arrivals: Curve;
  readonly curve: Curve;
  readonly registry: Registry;
  readonly registration: Registration;
  /** The instance has been ready at least once, registered or on a Unix socket alone. */
  readonly wasReady: boolean;
  readonly identity: () => Identity;
  readonly settings: OfflineSettings;
  readonly trust: Pick<FanoutOptions, 'keys' | 'tls'>;
}

export interface OfflineSettings {
  readonly gracePeriodMs: number;
  readonly quietMs: number;
  readonly holdMs: number;
  readonly entry: 'serve' | 'refuse';
  readonly entryPorts: readonly number[];
  readonly entryCheckMs: number;
  readonly goawayTimeoutMs: number;
  readonly goawayAttempts: number;
}

/** What became of an offline. */
export interface OfflineReport extends Coverage {
  readonly traceId: string;
  readonly result: OfflineResult;
}

/** One offline of this instance: it happens once, or is undone. */
export class Offline {
  readonly #context: OfflineContext;
  readonly #root: Work;
  readonly #deadline: Deadline;
  readonly #fanout: Fanout;
  readonly #entry: Entry;
  readonly #since: number;
  readonly #servedBefore: number;
  readonly #unmanagedBefore: number;
  readonly #afterAckBefore: number;
  #deregistered: Deregistered = { result: 'none' };
  #drain: Drain | undefined;
  /** What the drain ended with: to stop ends every connection, after which everybody would seem idle. */
  #drained: Pick<Coverage, 'idle' | 'stranded'> | undefined;
  #isPortShared = false;
  readonly #undone = Promise.withResolvers<void>();
  #cancelled = false;

  /**
   * Begins at once: the marker is on and every recent consumer is being told when the constructor returns. The machine has
   * taken the move already.
   *
   * @param ids where its trace will be, as the move has named it
   */
  constructor(context: OfflineContext, trigger: OfflineTrigger, links: readonly SpanIds[], ids: SpanIds) {
    const { clock, journal, traffic, callers, curve, settings, unmanaged } = context;
    const identity = context.identity();
    this.#context = context;
    this.#since = clock.now();
    this.#servedBefore = traffic.counts.started;
    this.#unmanagedBefore = unmanaged.requests;
    this.#afterAckBefore = traffic.counts.afterAck;
    this.#deadline = new Deadline(
      clock,
      settings.gracePeriodMs,
      Math.min(TELEMETRY_RESERVE_MS, settings.gracePeriodMs / 4),
    );
    const attributes = { [ATTR.trigger]: trigger, [ATTR.gracePeriod]: settings.gracePeriodMs / 1_000 };
    this.#root = journal.start('offline', { ids, links, attributes });
    journal.start('offline.started', { parent: this.#root.ids, attributes }).end();
    traffic.mark(encodeDraining(identity, this.#isolationMs));
    curve.hold();
    const instance = context.registration.instance;
    const presences = new Presences(context.registry, clock);
    this.#fanout = new Fanout({
      clock,
      journal,
      deadline: this.#deadline,
      root: this.#root.ids,
      provider: { ...identity, address: instance === undefined ? '' : hostPort(instance) },
      isolationMs: () => this.#isolationMs,
      holdMs: settings.holdMs,
      timeoutMs: settings.goawayTimeoutMs,
      attempts: settings.goawayAttempts,
      ...context.trust,
      presenceOf: (entry) => presences.of(entry),
      onOverflow: () => callers.overflow(),
    });
    for (const entry of callers.recent()) this.#fanout.tell(entry);
    this.#entry = this.#createEntry();
  }

  #createEntry(): Entry {
    const { arrivals, clock, probers, settings, unmanaged } = this.#context;
    const { entryCheckMs: checkMs, entryPorts, gracePeriodMs, holdMs, quietMs } = settings;
    probers.reset();
    return new Entry({
      clock,
      unmanaged,
      probers,
      since: this.#since,
      longestMs: Math.min(holdMs, gracePeriodMs / 2),
      quietMs,
      arrivalsPerSecond: perSecondOf(arrivals.read().perSecond),
      ports: entryPorts.length === 0 ? undefined : new EntryPorts(clock, entryPorts),
      checkMs,
    });
  }

  /** Where its trace is. */
  get ids(): SpanIds {
    return this.#root.ids;
  }

  /** Milliseconds left until the deadline. */
  get left(): number {
    return this.#deadline.left;
  }

  /** Milliseconds left to send the trace. */
  get leftForTelemetry(): number {
    return this.#deadline.leftForTelemetry;
  }

  /** What has been reached so far. */
  get coverage(): Coverage {
    return this.#fanout.coverage;
  }

  /** Consumers shall not come back before this instance has gone. */
  get #isolationMs(): number {
    return Math.min(Math.ceil(this.left) + TELEMETRY_RESERVE_MS + ISOLATION_BEYOND_MS, LONGEST_ISOLATION_MS);
  }

  /** What it waits for, for people. */
  get waitsFor(): string {
    const { machine, traffic } = this.#context;
    const { planned, acked, idle, failed, stranded } = this.coverage;
    const open = planned - acked - failed;
    if (machine.state === 'notifying') return open > 0 ? `the answers of consumers: ${open}` : 'the registry';
    if (machine.state !== 'draining') return machine.state === 'stopped' ? 'nothing' : 'connections to close';
    if (traffic.inflight > 0) return `requests in flight: ${traffic.inflight}`;
    if (traffic.arriving > 0) return `requests that have begun to arrive: ${traffic.arriving}`;
    if (stranded > 0) return `another instance for consumers that still call and have nobody else: ${stranded}`;
    if (acked > idle) return `consumers that are not idle: ${acked - idle}`;
    const { reason } = this.#holding();
    return reason === 'none' ? 'the quiet window' : `the hold time (${reason}), and the quiet window`;
  }

  /** A caller first seen now is told as well (races R11). */
  tell(entry: RecentCaller): void {
    this.#fanout.tell(entry);
  }

  /** Undoes it; `run` then resolves with `cancelled`. To be called in `notifying` and `draining` only. */
  cancel(): void {
    this.#cancelled = true;
    this.#undone.resolve();
    this.#fanout.end('cancelled');
    this.#drain?.cancel();
    this.#context.callers.reset();
    this.#context.traffic.unmark();
    this.#context.curve.release();
  }

  /** Runs to the end of the stop, or of the undo. Never rejects. */
  async run(): Promise<OfflineReport> {
    const { clock } = this.#context;
    const alive = clock.hold();
    let drained: Drained | undefined;
    try {
      await Promise.all([this.#deadline.within(this.#fanout.settled(), undefined), this.#deregister()]);
      if (this.#cancelled) return await this.#finish(drained);
      this.#move('notified');
      drained = await this.#drainTraffic();
      if (this.#cancelled) return await this.#finish(drained);
      await this.#stop(drained);
      return await this.#finish(drained);
    } catch (thrown) {
      const error = asError(thrown);
      return await this.#finish(drained, { type: error.name, message: error.message });
    } finally {
      alive.cancel();
    }
  }

  /** @throws Error when the machine refuses: somebody else has moved it, and the trace says so */
  #move(trigger: Trigger): void {
    const { machine } = this.#context;
    if (!machine.move(trigger, this.ids)) throw new Error(refusal(trigger, machine.state).message);
  }

  async #deregister(): Promise<void> {
    const { journal, registration, registry } = this.#context;
    const work = journal.start('deregister', {
      parent: this.ids,
      attributes: { [ATTR.registryType]: registry.type, [ATTR.registryAddress]: registry.address },
    });
    const late: Deregistered = { result: 'failed', error: new Error('the registry did not answer in time') };
    const deregistered = await Promise.race([
      this.#deadline.within(registration.deregister(), late, REGISTRY_MS),
      this.#undone.promise.then((): Deregistered => ({ result: 'cancelled' })),
    ]);
    const { result, listedAfter, others, error } = deregistered;
    this.#deregistered = deregistered;
    const failed = result === 'failed' || result === 'unconfirmed';
    const failure = failed
      ? { type: `deregister_${result}`, message: error?.message ?? 'the registry still lists this instance' }
      : undefined;
    work.end(
      {
        [ATTR.deregisterResult]: result,
        ...(listedAfter !== undefined && { [ATTR.listedAfter]: listedAfter }),
        ...(others && { [ATTR.deregisterOthers]: others.slice(0, MOST_OTHERS) }),
        ...(failure && { [ATTR.errorType]: failure.type }),
      },
      failure,
    );
  }

  async #drainTraffic(): Promise<Drained> {
    const { clock, curve, journal, probers, settings, traffic } = this.#context;
    // Who it is asked of leaves later than this.
    void isShared(traffic.ports).then((isPortShared) => {
      this.#isPortShared = isPortShared;
    });
    const work = journal.start('drain', { parent: this.ids, attributes: { [ATTR.inflightStart]: traffic.inflight } });
    this.#drain = new Drain({
      clock,
      deadline: this.#deadline,
      quietMs: settings.quietMs,
      since: this.#since,
      // Their clients come again, or go elsewhere; of a balancer that does not know yet they would come again here.
      onLook: () =>
        traffic.retireSessions(settings.quietMs, (from) => !probers.has(from) || probers.toldAt !== undefined),
      observed: {
        inflight: () => traffic.inflight,
        arriving: () => traffic.arriving,
        lastActivity: () => traffic.lastActivity,
        allIdle: () => this.#fanout.allIdle,
        roundTripMs: () => this.#fanout.roundTripMs,
        holding: () => this.#holding(),
        unread: () => unreadInKernel(traffic.ports),
      },
    });
    let drained = settings.entry === 'refuse' ? undefined : await this.#drain.run();
    if (drained?.result !== 'cancelled') {
      // In the turn of the last look at the kernel: a connection that comes in between is reset, and nobody sees it.
      stopListening(traffic);
      this.#move('drained');
      if (drained?.result !== 'timeout') drained = await this.#drain.run();
    }
    this.#entry.end();
    this.#drained = this.coverage;
    const { perSecond, since } = curve.read();
    const failure =
      drained.result === 'timeout'
        ? {
            type: 'drain_timeout',
            message:
              this.coverage.stranded > 0
                ? describe('last_instance', this.coverage, '')
                : 'the deadline came before traffic was over',
          }
        : undefined;
    work.end(
      {
        [ATTR.inflightEnd]: traffic.inflight,
        [ATTR.consumersIdle]: this.#fanout.coverage.idle,
        [ATTR.quiet]: drained.quietMs / 1_000,
        [ATTR.hold]: drained.holdMs / 1_000,
        [ATTR.holdReason]: drained.holdReason,
        [ATTR.longestStall]: drained.longestStallMs / 1_000,
        [ATTR.drainResult]: drained.result,
        [ATTR.requestsPerSecond]: perSecond,
        [ATTR.requestsSince]: since,
        ...(failure && { [ATTR.errorType]: failure.type }),
      },
      failure,
    );
    return drained;
  }

  /** Who has to be waited for who could not be told. */
  #holding(): Holding {
    const bound = this.#entry.bound;
    const { until, end } = this.#entry.look();
    const reason = this.#holdReason();
    if (reason !== undefined) return { reason, until: bound, bound };
    if (end === 'nobody') return { reason: 'none', until, bound };
    return { reason: end === 'not_told' ? 'entry_not_told' : 'unmanaged_caller', until, bound };
  }

  /** Why the whole hold time has to pass; undefined: nothing of this kind. */
  #holdReason(): HoldReason | undefined {
    const { failed, stranded } = this.#fanout.coverage;
    if (stranded > 0) return 'last_instance';
    if (failed > 0) return 'goaway_failed';
    if (this.#unconfirmed) return 'deregister_unconfirmed';
    if (this.#context.callers.overflowed > 0) return 'callers_overflowed';
    return this.#context.traffic.silent > 0 ? 'silent_connection' : undefined;
  }

  get #unconfirmed(): boolean {
    return this.#deregistered.result === 'failed' || this.#deregistered.result === 'unconfirmed';
  }

  /** Why callers come or may come whom nobody can keep away, in words; undefined: none are known. */
  get #exposed(): string | undefined {
    const { unmanaged } = this.#context;
    const { others = [] } = this.#deregistered;
    if (others.length > 0 && unmanaged.seen)
      return `callers without the plugin still find this address, as it is listed for ${others.slice(0, 3).join(', ')} too`;
    if (this.#isPortShared && (unmanaged.seen || this.coverage.planned > 0))
      return 'another process listens on the same port, and the kernel gives connections to this one until it has closed';
    if (listeningInThreads() > 0) return 'a server listens in a worker thread, which the plugin does not reach';
    return undefined;
  }

  async #stop(drained: Drained): Promise<void> {
    const { clock, journal, traffic } = this.#context;
    const work = journal.start('stop', { parent: this.ids });
    const stopped = await stop(traffic, clock).catch((thrown) => {
      const { name, message } = asError(thrown);
      work.end({ [ATTR.errorType]: name }, { type: name, message });
      throw thrown;
    });
    const failure =
      drained.result === 'timeout' && stopped.forced > 0
        ? { type: 'forced', message: `${stopped.forced} connections were cut with work left` }
        : undefined;
    work.end(
      {
        [ATTR.listeners]: stopped.listeners,
        [ATTR.socketsIdle]: stopped.idle,
        [ATTR.socketsForced]: stopped.forced,
        ...(failure && { [ATTR.errorType]: failure.type }),
      },
      failure,
    );
  }

  /** Ends the root, after everything under it. */
  async #finish(drained: Drained | undefined, broken?: Failure): Promise<OfflineReport> {
    const { traffic } = this.#context;
    const drainResult = drained?.result ?? (this.#cancelled ? 'cancelled' : undefined);
    const { idle, stranded } = this.#drained ?? this.coverage;
    this.#fanout.end('timeout');
    await this.#fanout.settled();
    const coverage: Coverage = { ...this.#fanout.coverage, idle, stranded };
    const result = this.#result(drained, coverage, broken);
    const causes = this.#fanout.causes;
    const failure =
      broken ??
      (FAILED.has(result) ? { type: result, message: describe(result, coverage, causes, this.#exposed) } : undefined);
    this.#root.end(
      {
        [ATTR.offlineResult]: result,
        [ATTR.fanoutPlanned]: coverage.planned,
        [ATTR.fanoutAcked]: coverage.acked,
        [ATTR.fanoutIdle]: coverage.idle,
        [ATTR.fanoutFailed]: coverage.failed,
        [ATTR.fanoutGone]: coverage.gone,
        [ATTR.fanoutStranded]: coverage.stranded,
        [ATTR.fanoutComplete]: coverage.acked === coverage.planned,
        [ATTR.deregisterResult]: this.#deregistered.result,
        ...(drainResult && { [ATTR.drainResult]: drainResult }),
        [ATTR.served]: traffic.counts.started - this.#servedBefore,
        [ATTR.afterAck]: traffic.counts.afterAck - this.#afterAckBefore,
        [ATTR.unmanaged]: this.#context.unmanaged.requests - this.#unmanagedBefore,
        ...(failure && { [ATTR.errorType]: failure.type }),
      },
      failure,
    );
    return { traceId: this.ids.traceId, result, ...coverage };
  }

  #result(drained: Drained | undefined, coverage: Coverage, broken: Failure | undefined): OfflineResult {
    const { callers, traffic, wasReady } = this.#context;
    if (broken !== undefined) return 'error';
    if (this.#cancelled) return 'cancelled';
    if (!wasReady && traffic.counts.served === 0) return 'never_ready';
    if (coverage.stranded > 0) return 'last_instance';
    if (drained?.result === 'timeout') return 'timeout';
    const { acked, idle, planned } = coverage;
    const isTold = acked === planned && idle === acked && callers.overflowed === 0;
    return isTold && !this.#unconfirmed && this.#exposed === undefined ? 'success' : 'incomplete';
  }
}

/** Results that mark the root as failed. */
const FAILED: ReadonlySet<OfflineResult> = new Set(['incomplete', 'timeout', 'last_instance']);

function describe(
  result: OfflineResult,
  { planned, acked, idle, stranded }: Coverage,
  causes: string,
  exposed?: string,
): string {
  if (result === 'last_instance')
    return `${stranded} consumers still called and had no other instance of the service to call`;
  if (result === 'timeout') return 'the grace period ended with work left';
  if (acked < planned) return `${planned - acked} of ${planned} consumers were not told: ${causes}`;
  if (idle < acked) return `${acked - idle} of ${acked} consumers never said that they were idle`;
  return exposed ?? 'not everybody could be told, or the registry did not confirm';
}

/** Fewer connections than this in the minute before tell nothing of when the next one comes. */
const LEAST_ARRIVALS = 2;

/** How many came a second; undefined: too few to know. */
function perSecondOf(counts: readonly number[]): number | undefined {
  const sum = counts.reduce((total, count) => total + count, 0);
  return sum < LEAST_ARRIVALS ? undefined : sum / counts.length;
}
