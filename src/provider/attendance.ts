import { isDeepStrictEqual } from 'node:util';
import type { Options } from '../config/options.ts';
import { asError } from '../errors.ts';
import type { OfflineTrigger, OnlineTrigger } from '../lifecycle/outcomes.ts';
import type { SpanIds } from '../lifecycle/records.ts';
import { type Refusal, refusal } from '../lifecycle/refusal.ts';
import { isRunning, isUnseen } from '../lifecycle/transitions.ts';
import { WARMUP_CURVE, warmupShare } from '../lifecycle/warmup.ts';
import { within } from '../lifecycle/within.ts';
import type { Log } from '../log.ts';
import { isWorker } from '../process/cluster.ts';
import type { Identity } from '../protocol/identity.ts';
import type { Instance } from '../registry/registry.ts';
import type { OfflineContext } from './offline/context.ts';
import { Offline, type OfflineReport } from './offline/offline.ts';
import { Online, type OnlineContext } from './online/online.ts';
import { describe, withEndpoints } from './registration/endpoints.ts';
import { type LocateOptions, type MainServer, type TryConnection, targetOf } from './registration/main-server.ts';
import { ask, isGrpcProbe } from './registration/probe.ts';
import { Registration } from './registration/registration.ts';
import { type Candidate, nameOf, Servers } from './registration/servers.ts';
import type { HttpServer } from './traffic/http-server.ts';
import type { RecentCaller } from './traffic/recent-caller.ts';
import { isShared } from './traffic/shared-port.ts';
import type { NamedHandler } from './work/handlers.ts';

/** Longest wait for the removal of an entry before another one is written, in milliseconds. */
const VACATE_MS = 10_000;

/** A running offline, as its callers see it. */
export interface OfflineHandle {
  /** Undefined when it was refused: there is no trace. */
  readonly traceId: string | undefined;
  /** Link to the trace. */
  readonly url: string | undefined;
  /**
   * Resolves when the stop is done and the trace is sent or spooled; at once, with the state and what to do, when an offline was
   * refused. Never rejects.
   */
  readonly done: Promise<OfflineReport | Refusal>;
}

/** The parts of an instance. */
export interface AttendanceContext extends Omit<OfflineContext, 'registration' | 'wasReady' | 'identity' | 'settings'> {
  readonly log: Log;
  readonly tryConnection: TryConnection;
  readonly instanceId: string;
  readonly settings: Pick<
    Options,
    | 'service'
    | 'registries'
    | 'advertise'
    | 'port'
    | 'metadata'
    | 'gracePeriodMs'
    | 'holdMs'
    | 'entry'
    | 'entryPorts'
    | 'entryCheckMs'
    | 'goawayTimeoutMs'
    | 'sessionNotice'
    | 'streamMs'
    | 'registerDelayMs'
    | 'probe'
    | 'warmupMs'
    | 'readiness'
  >;
  /** What caused this process. */
  readonly causes: readonly SpanIds[];
  readonly preconnect: OnlineContext['preconnect'];
  /** The first server listens: the process is a service from now on. */
  readonly onServing: () => void;
  /** Resolves when everything is ready for the registration. */
  readonly beforeOnline: () => Promise<unknown>;
  readonly urlOf: (traceId: string) => string;
  /** Sends the remaining telemetry of the offline; resolves with a note for people. */
  readonly afterOffline: (run: Offline) => Promise<object | undefined>;
}

interface Leaving {
  readonly run: Offline;
  readonly handle: OfflineHandle;
}

/**
 * The presence of this instance: it comes online when a server listens, moves when consumers call another server, leaves, and
 * comes back. Every step asks the machine first; a refusal is answered.
 */
export class Attendance {
  readonly #context: AttendanceContext;
  readonly #servers: Servers;
  readonly #registration: Registration;
  readonly #location: LocateOptions;
  #generation: number = Math.round(performance.timeOrigin);
  #online: Online | undefined;
  #leaving: Leaving | undefined;
  #main: MainServer | undefined;
  #registeredAt = 0;
  #hasFailed = false;
  /** Counts servers that begin to listen or close, so that a result from before such a change is discarded. */
  #looks = 0;
  /** Resolves when no earlier start or offline writes or removes the entry any more. */
  #vacated: Promise<unknown> = Promise.resolve();

  constructor(context: AttendanceContext) {
    const { clock, log, tryConnection, registry, settings } = context;
    this.#context = context;
    this.#registration = new Registration(
      registry,
      clock,
      async () => !isWorker() && !(await isShared(context.traffic.ports)),
    );
    this.#servers = new Servers({
      clock,
      log,
      named: [settings.advertise?.port, settings.port].filter((port) => port !== undefined),
      guard: context.guard,
      isConsumers: (socket) => context.traffic.isConsumers(socket),
      onChange: () => {
        this.#lookAgain().catch((thrown) => log('error', asError(thrown).message));
      },
    });
    // The first registry on the network; its address decides which local address consumers can reach.
    const onNetwork = settings.registries.find(({ hostname }) => hostname !== '');
    const [first] = settings.registries;
    this.#location = {
      clock,
      log,
      tryConnection,
      configured: settings.advertise,
      registry: onNetwork ?? (first as URL),
    };
  }

  get identity(): Identity {
    const { instanceId, settings } = this.#context;
    return { service: settings.service, instanceId, generation: this.#generation };
  }

  /** Whether the platform may send traffic. */
  get isReady(): boolean {
    const isPortless = this.#main !== undefined && this.#main.advertised === undefined;
    return this.#online?.isReady === true && (this.#registration.listed || isPortless);
  }

  /** The registry has confirmed this instance. */
  get listed(): boolean {
    return this.#registration.listed;
  }

  /** The start that runs or ran last; undefined while no server is there to be registered. */
  get online(): Online | undefined {
    return this.#online;
  }

  /** The offline that has begun, unless it was undone. */
  get leaving(): Leaving | undefined {
    return this.#leaving;
  }

  /** The address at which consumers reach it. */
  get advertised(): MainServer['advertised'] {
    return this.#main?.advertised;
  }

  /** Part of its full share; 0 while the registration is not confirmed. */
  get weight(): number {
    if (!this.#registration.listed) return 0;
    const { clock, settings } = this.#context;
    return warmupShare(clock.wall() - this.#registeredAt, { ms: settings.warmupMs, curve: WARMUP_CURVE });
  }

  /** The application has work of its own, so there is something to leave. */
  working(): void {
    const { machine } = this.#context;
    if (machine.state === 'created') machine.move('working');
  }

  /** A server of the application begins to listen. */
  listening(server: HttpServer): void {
    const { causes, journal, machine, onServing } = this.#context;
    if (isUnseen(machine.state)) {
      const ids = journal.newRoot();
      machine.move('listening', ids);
      onServing();
      this.#comeOnline('start', causes, ids);
    } else if (machine.state === 'stopping' || machine.state === 'stopped') {
      machine.move('listening');
    }
    this.#servers.add(server);
  }

  /** A caller is seen for the first time. */
  newCaller(caller: RecentCaller): void {
    this.#leaving?.run.tell(caller);
  }

  /** The application has named a handler: a running offline runs it too. */
  newHandler(handler: NamedHandler): void {
    this.#leaving?.run.handle(handler);
  }

  /** Begins an offline, or joins the running one. */
  leave(trigger: OfflineTrigger, links: readonly SpanIds[] = []): OfflineHandle {
    if (this.#leaving !== undefined) return this.#leaving.handle;
    const { causes, journal, log, machine, settings, urlOf } = this.#context;
    const ids = journal.newRoot();
    // A process without a server is always ready.
    const servesNobody = machine.state === 'working';
    if (!machine.move('offline', ids)) {
      const refused = refusal('offline', machine.state);
      return { traceId: undefined, url: undefined, done: Promise.resolve(refused) };
    }
    const wasReady = servesNobody || this.#registration.wasListed || this.isReady;
    this.#online?.cancel();
    const run = new Offline(
      { ...this.#context, registration: this.#registration, wasReady, identity: () => this.identity, settings },
      trigger,
      [...links, ...causes],
      ids,
    );
    const url = urlOf(ids.traceId);
    log('info', `offline begun: ${url}`, { ids, url });
    const handle = { traceId: ids.traceId, url, done: this.#finish(run) };
    this.#leaving = { run, handle };
    return handle;
  }

  /**
   * Undoes a running offline, as a new generation, so that consumers lift the isolation at once.
   *
   * @returns the reason, when there is none or it can no longer be undone
   */
  async comeBack(): Promise<Refusal | undefined> {
    const { machine } = this.#context;
    const leaving = this.#leaving;
    if (!machine.move('online', leaving?.run.ids) || leaving === undefined) return refusal('online', machine.state);
    leaving.run.cancel();
    // A signal that comes while the undone offline ends must not join it, because the signal would be lost.
    this.#leaving = undefined;
    this.#main = undefined;
    this.#vacated = leaving.handle.done;
    this.#renew();
    this.#comeOnline('undo', [leaving.run.ids]);
    await leaving.handle.done;
    return undefined;
  }

  /** The start has failed for good: nothing is registered, now or later. */
  fail(error: Error): void {
    this.#hasFailed = true;
    this.#online?.fail(error);
  }

  /** Begins to come online. */
  #comeOnline(trigger: OnlineTrigger, links: readonly SpanIds[], ids?: SpanIds): void {
    const { beforeOnline, log, traffic, settings } = this.#context;
    const online = new Online(
      {
        ...this.#context,
        registration: this.#registration,
        servers: this.#servers,
        location: this.#location,
        onChosen: (main) => {
          this.#main = main;
        },
        entry: (advertised) => this.#entry(this.#main?.advertised ?? advertised),
        started: () => traffic.counts.started,
        settings,
      },
      trigger,
      links,
      ids,
    );
    this.#online = online;
    online.run(Promise.all([beforeOnline(), this.#vacated])).catch((thrown) => {
      const error = asError(thrown);
      log('error', error.message, { code: 'LOSSLESS_START_FAILED' });
      online.fail(error);
    });
  }

  /** The entry for a write now; the warm-up begins with it. */
  #entry(advertised: NonNullable<MainServer['advertised']>): Instance {
    const { clock, settings } = this.#context;
    this.#registeredAt = clock.wall();
    return {
      ...this.identity,
      ...advertised,
      weight: 100,
      registeredAt: this.#registeredAt,
      metadata: settings.metadata,
    };
  }

  /** Servers have begun to listen or were closed: checks whether the registered one is still the right one. */
  async #lookAgain(): Promise<void> {
    const { machine } = this.#context;
    const main = this.#main;
    const look = ++this.#looks;
    if (this.#hasFailed || !isRunning(machine.state)) return;
    if (main === undefined) {
      // A running start chooses the server itself; otherwise this server begins a start.
      if (this.#online === undefined && this.#servers.candidates.length > 0) this.#comeOnline('server', []);
      return;
    }
    if (!this.#servers.listens(main.candidate)) return this.#takeUpNext(main.candidate);
    const { better, proof } = await this.#compare(main.candidate);
    const isLatest = (): boolean => this.#main === main && this.#looks === look && isRunning(machine.state);
    if (!isLatest()) return;
    if (better !== undefined) {
      if (this.#vacate()) this.#comeOnline('server', []);
      return;
    }
    this.#servers.say(main.candidate, proof);
    const next = await withEndpoints(main, this.#servers.all, this.#location);
    if (isLatest()) await this.#advertise(next);
  }

  /** Ports beside the main one have changed: writes the entry again, with the same generation. */
  async #advertise(next: MainServer): Promise<void> {
    const { advertised } = next;
    if (advertised === undefined || isDeepStrictEqual(advertised, this.#main?.advertised)) return;
    this.#main = next;
    this.#context.log('info', `reached by ${describe(advertised)}`);
    const { instance } = this.#registration;
    // The start writes an entry that is not written yet.
    if (instance?.generation === this.#generation) await this.#online?.rewrite({ ...instance, ...advertised });
  }

  /** The application has closed the registered server. */
  #takeUpNext(closed: Candidate): void {
    if (!this.#vacate()) return;
    const isNext = this.#servers.candidates.some((each) => this.#servers.mayFollow(each, closed));
    this.#context.log(
      'warn',
      `the application has closed the registered server (${nameOf(closed)}): not ready and not registered until ${isNext ? 'another one is' : 'another one begins to listen'}`,
    );
    if (isNext) this.#comeOnline('server', []);
  }

  /** Whether another server is likelier than `current`. With a probe it must answer that, as `current` has done. */
  async #compare(current: Candidate): Promise<{ readonly better?: Candidate; readonly proof?: string }> {
    const { clock, settings } = this.#context;
    // A probe of gRPC does not tell which server takes HTTP requests.
    const path = isGrpcProbe(settings.probe) ? undefined : settings.probe;
    const others = this.#servers.candidates.filter((each) => each !== current);
    const asked = others.map(
      async (each) =>
        path === undefined || (await ask(each.server, await targetOf(each, this.#location), path, clock)).isGood,
    );
    const answers = await Promise.all(asked);
    const good = others.filter((_, n) => answers[n]);
    const better = good.find((each) => this.#servers.prefers(each, current));
    if (better !== undefined) return { better };
    return path !== undefined && good.length === 0 ? { proof: 'it alone answers the probe with 2xx' } : {};
  }

  /** Leaves the registry as a step to another server. @returns false when the machine refuses */
  #vacate(): boolean {
    const { clock, log, machine } = this.#context;
    if (!machine.move('moved', this.#online?.ids)) return false;
    this.#online?.cancel();
    this.#online = undefined;
    this.#main = undefined;
    const removed = this.#registration.deregister().then(({ result, error }) => {
      if (result === 'failed' || result === 'unconfirmed')
        log('warn', `the entry of the former server was not removed: ${error?.message ?? 'it is still listed'}`, {
          code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
        });
    });
    this.#vacated = within(clock, VACATE_MS, removed, () => {});
    this.#renew();
    return true;
  }

  /** The next registration has a new generation, so that it replaces the one that consumers know. */
  #renew(): void {
    this.#generation = Math.max(this.#generation + 1, this.#context.clock.wall());
  }

  async #finish(run: Offline): Promise<OfflineReport> {
    const { afterOffline, clock, log, machine } = this.#context;
    const alive = clock.hold();
    const report = await run.run();
    if (report.result === 'cancelled') {
      alive.cancel();
      return report;
    }
    const delivery = await afterOffline(run);
    machine.move('stopped', run.ids);
    log('info', `offline ended: ${report.result}`, { ids: run.ids, ...report, ...delivery });
    alive.cancel();
    return report;
  }
}
