import { asError } from '../../errors.ts';
import { unlessAborted } from '../../lifecycle/abort.ts';
import { Deadline, twelfthOf } from '../../lifecycle/deadline.ts';
import type { Coverage } from '../../lifecycle/facts.ts';
import type { Work } from '../../lifecycle/journal.ts';
import type { EntryEnd, EntryMode, OfflineResult, OfflineTrigger } from '../../lifecycle/outcomes.ts';
import type { Failure, SpanIds } from '../../lifecycle/records.ts';
import { refusal } from '../../lifecycle/refusal.ts';
import type { Trigger } from '../../lifecycle/transitions.ts';
import { encodeDraining } from '../../protocol/header.ts';
import { hostPort } from '../../protocol/host-port.ts';
import { Entry } from '../entry/entry.ts';
import { EntryPorts } from '../entry/entry-ports.ts';
import type { Deregistered } from '../registration/registration.ts';
import { unreadInKernel } from '../traffic/kernel.ts';
import type { RecentCaller } from '../traffic/recent-caller.ts';
import { isShared } from '../traffic/shared-port.ts';
import type { NamedHandler } from '../work/handlers.ts';
import type { OfflineContext } from './context.ts';
import { Drain, type Drained, QUIET_MS } from './drain.ts';
import { Fanout } from './fanout.ts';
import { type CallEnd, endOf } from './goaway.ts';
import { HandlerRuns } from './handler-runs.ts';
import { OwnSources } from './own-sources.ts';
import { Presences } from './presence.ts';
import { describeTimeout, failureOf, type Outcome, resultOf } from './result.ts';
import { Retirement } from './retirement.ts';
import { seal } from './seal.ts';
import { stop, stopListening } from './stop.ts';
import { StreamEnds } from './streams.ts';
import { GOAWAY_ATTEMPTS } from './teller.ts';
import { Untold } from './untold.ts';

/** Longest wait for the system's answer which processes listen at a port, in milliseconds. */
const LOOK_MS = 1_000;

/** Time reserved for sending the trace: at most this many milliseconds, and at most a quarter of the grace period. */
const TELEMETRY_RESERVE_MS = 2_000;

/**
 * How long consumers keep an isolation beyond the deadline, and the longest isolation, in milliseconds: a registry may list an
 * instance for a while after its end.
 */
const ISOLATION_BEYOND_MS = 30_000;
const LONGEST_ISOLATION_MS = 600_000;

/** Longest wait for the registry, in milliseconds; a registry that is down must leave time for the drain. */
const REGISTRY_MS = 10_000;

/**
 * How long before the deadline long streams are ended, in milliseconds, plus two quiet windows, so that the drain sees their end.
 */
const STREAM_END_MS = 500;

/** Most ids of other entries on a span. */
const MOST_OTHERS = 100;

/** Outcome of an offline. */
export interface OfflineReport extends Coverage {
  readonly traceId: string;
  readonly result: OfflineResult;
}

/** One offline of this instance: it happens once, or is undone. */
export class Offline {
  readonly #context: OfflineContext;
  readonly #root: Work<'offline'>;
  readonly #deadline: Deadline;
  readonly #fanout: Fanout;
  readonly #entry: Entry;
  readonly #retirement: Retirement;
  readonly #untold: Untold;
  readonly #ends: StreamEnds;
  readonly #handlers: HandlerRuns;
  readonly #since: number;
  readonly #servedBefore: number;
  readonly #unmanagedBefore: number;
  readonly #afterAckBefore: number;
  /** State at the end of the drain: the stop closes every connection, after which every consumer would seem idle. */
  #drained: Pick<Coverage, 'idle' | 'stranded'> | undefined;
  /** Handlers of the application that had not ended at the deadline. */
  #unfinished: readonly string[] = [];
  /** Aborted when the offline was undone or is over. */
  readonly #ending = new AbortController();

  /**
   * Begins at once: when the constructor returns, the marker is on and the GoAways are on their way. The machine has already
   * moved.
   *
   * @param ids ids of its trace, which the move has named
   */
  constructor(context: OfflineContext, trigger: OfflineTrigger, links: readonly SpanIds[], ids: SpanIds) {
    const { clock, journal, traffic, callers, curve, settings, unmanaged } = context;
    const { gracePeriodMs } = settings;
    const identity = context.identity();
    this.#context = context;
    this.#since = clock.now();
    this.#servedBefore = traffic.counts.started;
    this.#unmanagedBefore = unmanaged.requests;
    this.#afterAckBefore = traffic.counts.afterAck;
    this.#deadline = new Deadline(clock, gracePeriodMs, Math.min(TELEMETRY_RESERVE_MS, gracePeriodMs / 4));
    const facts = { trigger, gracePeriodMs, due: twelfthOf(clock.wall() + gracePeriodMs) };
    this.#root = journal.start('offline', { ids, links, facts });
    journal.start('offline.started', { parent: this.#root.ids, facts }).end();
    // Open connections keep a proxy from connecting at the moment in which the listeners close.
    traffic.ending = settings.entry === 'refuse' ? 'none' : 'plain';
    traffic.mark(encodeDraining(identity, this.#isolationMs));
    curve.hold();
    const instance = context.registration.instance;
    const presences = new Presences(context.registry, clock);
    this.#fanout = new Fanout({
      clock,
      journal,
      deadline: this.#deadline,
      signal: this.#ending.signal,
      root: this.#root.ids,
      provider: {
        ...identity,
        address: instance === undefined ? '' : hostPort(instance),
        ...(instance?.endpoints && { ports: [...new Set(instance.endpoints.map(({ port }) => port))] }),
      },
      isolationMs: () => this.#isolationMs,
      holdMs: settings.holdMs,
      timeoutMs: settings.goawayTimeoutMs,
      attempts: GOAWAY_ATTEMPTS,
      ...context.trust,
      presenceOf: (entry) => presences.of(entry),
      onOverflow: () => callers.overflow(),
    });
    for (const entry of callers.recent()) this.#fanout.tell(entry);
    this.#entry = this.#createEntry();
    this.#ends = new StreamEnds(context.guard);
    this.#handlers = new HandlerRuns(journal, this.ids, context.handlers.all);
    this.#retirement = new Retirement({
      clock,
      guard: context.guard,
      signal: this.#ending.signal,
      since: this.#since,
      idleMs: QUIET_MS,
      usesNotice: settings.sessionNotice,
    });
    this.#untold = new Untold(context, this.#entry, this.#retirement);
  }

  #createEntry(): Entry {
    const { arrivals, clock, journal, probers, settings, unmanaged } = this.#context;
    const { entry: mode, entryCheckMs: checkMs, entryPorts, gracePeriodMs, holdMs } = settings;
    probers.reset();
    return new Entry({
      clock,
      journal,
      root: this.ids,
      mode,
      unmanaged,
      probers,
      since: this.#since,
      holdMs: Math.min(holdMs, gracePeriodMs / 2),
      longestMs: MOST_OF_GRACE * gracePeriodMs,
      quietMs: QUIET_MS,
      arrivalsPerSecond: arrivals.rate,
      ports: entryPorts.length === 0 ? undefined : new EntryPorts(clock, entryPorts, this.#ending.signal),
      checkMs,
    });
  }

  /** Ids of its trace. */
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

  /** Counts so far. */
  get coverage(): Coverage {
    return this.#fanout.coverage;
  }

  /** Consumers must not come back before this instance has gone. */
  get #isolationMs(): number {
    return Math.min(Math.ceil(this.left) + TELEMETRY_RESERVE_MS + ISOLATION_BEYOND_MS, LONGEST_ISOLATION_MS);
  }

  /** The current wait, for people. */
  get waitsFor(): string {
    const { machine, tasks, traffic } = this.#context;
    const { coverage } = this;
    const { planned, acked, idle, failed, stranded } = coverage;
    const open = planned - acked - failed;
    if (machine.state === 'notifying') return open > 0 ? `the answers of consumers: ${open}` : 'the registry';
    if (machine.state === 'stopped') return 'nothing';
    if (machine.state !== 'draining')
      return this.#handlers.names.length > 0
        ? `handlers of the application: ${this.#handlers.names.join(', ')}`
        : 'connections to close';
    if (traffic.inflight > 0) return `requests in flight: ${traffic.inflight}`;
    if (traffic.arriving > 0) return `requests that have begun to arrive: ${traffic.arriving}`;
    if (tasks.count > 0) return `tasks of the application: ${Object.keys(tasks.running).join(', ')}`;
    if (stranded > 0) return `another instance for consumers that still call and have no other: ${stranded}`;
    if (acked > idle) return `consumers that are not idle: ${acked - idle}`;
    const { reason } = this.#untold.holding(coverage);
    return reason === 'none' ? 'the quiet window' : `the hold time (${reason}), and the quiet window`;
  }

  /** A caller first seen now gets a GoAway too (races R11). */
  tell(entry: RecentCaller): void {
    this.#fanout.tell(entry);
  }

  /** Runs a handler that the application has added during this offline. */
  handle(handler: NamedHandler): void {
    this.#handlers.begin(handler);
  }

  /** Undoes the offline; `run` then resolves with `cancelled`. Call only in `notifying` and `draining`. */
  cancel(): void {
    this.#end('cancelled');
    this.#handlers.undo();
    this.#context.callers.reset();
    this.#context.traffic.unmark();
    this.#context.curve.release();
  }

  #end(why: CallEnd): void {
    this.#ending.abort(why);
  }

  get #cancelled(): boolean {
    const { signal } = this.#ending;
    return signal.aborted && endOf(signal) === 'cancelled';
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
      await this.#finishHandlers();
      return await this.#finish(drained);
    } catch (thrown) {
      const error = asError(thrown);
      return await this.#finish(drained, { type: error.name, message: error.message });
    } finally {
      alive.cancel();
    }
  }

  /** @throws Error when the machine refuses because other code has moved it; the trace says so */
  #move(trigger: Trigger): void {
    const { machine } = this.#context;
    if (!machine.move(trigger, this.ids)) throw new Error(refusal(trigger, machine.state).message);
  }

  async #deregister(): Promise<void> {
    const { journal, registration, registry } = this.#context;
    const work = journal.start('deregister', {
      parent: this.ids,
      facts: { registryType: registry.type, registryAddress: registry.address },
    });
    const late: Deregistered = { result: 'failed', error: new Error('the registry did not answer in time') };
    const { signal } = this.#ending;
    const answered = this.#deadline.within(registration.deregister(signal), late, REGISTRY_MS);
    const deregistered = await unlessAborted<Deregistered, Deregistered>(signal, answered, { result: 'cancelled' });
    const { result, listedAfter, others, error } = deregistered;
    this.#untold.deregistered = deregistered;
    const failed = result === 'failed' || result === 'unconfirmed';
    const failure = failed
      ? { type: `deregister_${result}`, message: error?.message ?? 'the registry still lists this instance' }
      : undefined;
    work.end({ result, listedAfter, others: others?.slice(0, MOST_OTHERS) }, failure);
  }

  async #drainTraffic(): Promise<Drained> {
    const { clock, curve, journal, settings, tasks, traffic } = this.#context;
    const tasksStart = tasks.count > 0 ? tasks.count : undefined;
    const work = journal.start('drain', { parent: this.ids, facts: { inflightStart: traffic.inflight, tasksStart } });
    const sources = new OwnSources();
    const drain = new Drain({
      clock,
      deadline: this.#deadline,
      since: this.#since,
      onLook: (isListening) => this.#look(isListening),
      observed: {
        inflight: () => traffic.inflight + tasks.count,
        arriving: () => traffic.arriving,
        retiring: () => this.#retirement.running,
        lastActivity: () => traffic.lastActivity,
        lastConnection: () => this.#untold.lastConnection ?? Number.NEGATIVE_INFINITY,
        lastBegun: () => traffic.lastBegun,
        consumers: () => {
          const { coverage, ...progress } = this.#fanout.progress;
          return { ...progress, holding: this.#untold.holding(coverage) };
        },
        hasConnections: () => traffic.hasConnections,
        aside: () => traffic.aside,
        unread: () => unreadInKernel(traffic.ports),
        seal: async () => (this.#untold.isPortShared ? 'cannot' : await seal(traffic.servers, clock, sources)),
        polled: () => new Promise((resolve) => setImmediate(resolve)),
      },
    });
    // Before the drain, because nothing may be awaited between its end and the stop. Another process on the port leaves later
    // than this.
    this.#untold.isPortShared = await this.#deadline.within(
      isShared(traffic.ports).catch(() => false),
      false,
      LOOK_MS,
    );
    let drained = await drain.run(settings.entry, this.#ending.signal);
    const entryEnd = entryEndOf(drained, settings.entry);
    if (drained.result !== 'cancelled') {
      this.#untold.listenersClose(drained);
      // In the turn in which the queues were sealed: a connection in between would be reset unseen.
      stopListening(traffic);
      this.#move('drained');
      if (drained.result !== 'timeout') drained = await drain.run('rest', this.#ending.signal);
    }
    this.#drained = this.coverage;
    this.#entry.end(entryEnd);
    const { perSecond, since } = curve.read();
    const tasksLeft = tasks.count > 0 ? Object.keys(tasks.running) : undefined;
    const failure =
      drained.result === 'timeout'
        ? { type: 'drain_timeout', message: describeTimeout(this.coverage, tasksLeft) }
        : undefined;
    work.end(
      {
        inflightEnd: traffic.inflight,
        consumersIdle: this.#fanout.coverage.idle,
        quietMs: drained.quietMs,
        holdMs: drained.holdMs,
        holdReason: drained.holdReason,
        longestStallMs: drained.longestStallMs,
        sessionsRetired: this.#retirement.count,
        tasksLeft,
        result: drained.result,
        requestsPerSecond: perSecond,
        requestsSince: since,
      },
      failure,
    );
    return drained;
  }

  /** Asks sessions to go, and ends streams that do not end by themselves. */
  #look(isListening: boolean): void {
    const { clock, probers, settings, traffic } = this.#context;
    const isSettling = settings.entry === 'refuse' || this.#entry.isSettling;
    const ending = isSettling ? 'none' : 'plain';
    traffic.ending = isListening ? ending : 'all';
    const areTold = probers.about(() => true).toldAt !== undefined;
    this.#retirement.look(traffic.sessions, {
      isListening,
      isSettling,
      comesBack: (address) => !areTold && probers.has(address),
      allIdle: () => this.#fanout.progress.allIdle,
    });
    const { gracePeriodMs, streamMs = Number.POSITIVE_INFINITY } = settings;
    const goodbyeMs = Math.min(STREAM_END_MS + 2 * QUIET_MS, gracePeriodMs / 4);
    this.#ends.end(traffic.streams, clock.now() - this.#since >= streamMs || this.left <= goodbyeMs);
  }

  async #stop(drained: Drained): Promise<void> {
    const { clock, journal, traffic } = this.#context;
    const work = journal.start('stop', { parent: this.ids });
    const leftMs = this.leftForTelemetry / 2;
    const stopped = await stop(traffic, { clock, ends: this.#ends, leftMs }).catch((thrown) => {
      const { name, message } = asError(thrown);
      work.end({}, { type: name, message });
      throw thrown;
    });
    this.#untold.crossed = stopped.crossed;
    const { reset } = this.#untold;
    if (drained.result === 'timeout' && stopped.forced > 0)
      work.end(stopped, { type: 'forced', message: `${stopped.forced} connections were cut with work left` });
    else work.end(stopped, reset === undefined ? undefined : { type: 'reset', message: reset });
  }

  /** Handlers can now close what requests needed; those that take longer than the deadline are left. */
  async #finishHandlers(): Promise<void> {
    await this.#deadline.within(this.#handlers.finish(), undefined);
    this.#unfinished = this.#handlers.names;
    this.#handlers.leave();
  }

  /** Ends the root, after everything under it. */
  async #finish(drained: Drained | undefined, broken?: Failure): Promise<OfflineReport> {
    const { traffic } = this.#context;
    const drainResult = drained?.result ?? (this.#cancelled ? 'cancelled' : undefined);
    const { idle, stranded } = this.#drained ?? this.coverage;
    this.#end('timeout');
    this.#handlers.leave();
    await this.#fanout.ended();
    const coverage: Coverage = { ...this.#fanout.coverage, idle, stranded };
    const { callers, tasks, wasReady } = this.#context;
    const outcome: Outcome = {
      coverage,
      drainResult,
      hadNothing: !wasReady && traffic.counts.served === 0 && tasks.begun === 0,
      unfinished: this.#unfinished,
      overflowed: callers.overflowed,
      unconfirmed: this.#untold.isUnconfirmed,
      causes: this.#fanout.causes,
      exposed: this.#untold.exposed(coverage),
    };
    const result = broken === undefined ? resultOf(outcome) : 'error';
    const failure = broken ?? failureOf(result, outcome);
    this.#root.end(
      {
        result,
        ...coverage,
        complete: coverage.acked === coverage.planned,
        deregisterResult: this.#untold.deregistered.result,
        drainResult,
        served: traffic.counts.started - this.#servedBefore,
        afterAck: traffic.counts.afterAck - this.#afterAckBefore,
        unmanaged: this.#context.unmanaged.requests - this.#unmanagedBefore,
      },
      failure,
    );
    return { traceId: this.ids.traceId, result, ...coverage };
  }
}

/** Why the wait for callers without the plugin ended; undefined: from what is known of them. */
function entryEndOf(drained: Drained, mode: EntryMode): EntryEnd | undefined {
  if (drained.result === 'cancelled') return 'cancelled';
  if (drained.result === 'timeout') return 'deadline';
  if (mode === 'refuse') return 'refused';
  return drained.keptComing ? 'coming' : undefined;
}

/** Part of the grace period for callers that cannot be told; the rest is for connections that are then open. */
const MOST_OF_GRACE = 0.75;
