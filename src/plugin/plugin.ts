import { channel } from 'node:diagnostics_channel';
import { hostname } from 'node:os';
import { type Options, UNNAMED } from '../config/options.ts';
import { Consumer } from '../consumer/consumer.ts';
import { KnownServices } from '../consumer/directory/known-services.ts';
import { createReceiver, type Receiver } from '../consumer/goaway/receiver.ts';
import { type Control, listen } from '../control/control-server.ts';
import { asError } from '../errors.ts';
import { Guard } from '../guard.ts';
import { writeFile } from '../io/off-loop.ts';
import { type Clock, guardedClock, systemClock } from '../lifecycle/clock.ts';
import type { Facts } from '../lifecycle/facts.ts';
import { Journal } from '../lifecycle/journal.ts';
import { Machine } from '../lifecycle/machine.ts';
import type { OfflineTrigger } from '../lifecycle/outcomes.ts';
import { type LifecycleRecord, RECORDS, type SpanIds } from '../lifecycle/records.ts';
import type { Refusal } from '../lifecycle/refusal.ts';
import type { State } from '../lifecycle/transitions.ts';
import { within } from '../lifecycle/within.ts';
import { type Log, logRecords } from '../log.ts';
import { Counts } from '../metrics/counts.ts';
import type { Exposition } from '../metrics/prometheus.ts';
import { isWorker } from '../process/cluster.ts';
import { budgetOf, signalUnseen } from '../process/launcher.ts';
import { onPackage } from '../process/modules.ts';
import { createSignals, type Signals } from '../process/signals.ts';
import { SIGNED_MS } from '../protocol/consumer-reader.ts';
import { encodeConsumer } from '../protocol/header.ts';
import type { Ack, Identity } from '../protocol/identity.ts';
import { Operators } from '../protocol/operator.ts';
import { Verifier } from '../protocol/signature.ts';
import { Attendance, type OfflineHandle } from '../provider/attendance.ts';
import { EntryWatch } from '../provider/entry/entry-watch.ts';
import { GrpcHealth } from '../provider/entry/grpc-health.ts';
import { StatusFile } from '../provider/entry/status-file.ts';
import { Leaving } from '../provider/leaving.ts';
import type { Offline } from '../provider/offline/offline.ts';
import { Reach } from '../provider/offline/reach.ts';
import { tryConnection } from '../provider/registration/try-connection.ts';
import { Callers } from '../provider/traffic/callers.ts';
import { Curve } from '../provider/traffic/curve.ts';
import { Traffic } from '../provider/traffic/traffic.ts';
import { followRecords } from '../provider/work/follow-records.ts';
import { type Handler, Handlers } from '../provider/work/handlers.ts';
import { Tasks } from '../provider/work/tasks.ts';
import { openRegistries } from '../registry/open.ts';
import { OpeningRegistry } from '../registry/opening.ts';
import type { Registry } from '../registry/registry.ts';
import { type Status, statusOf } from '../status.ts';
import { Telemetry } from '../trace/telemetry.ts';
import { ControlPort } from './control-port.ts';
import { causeOf, controlRoutes } from './control-routes.ts';
import { appTracing } from './running.ts';
import { consumerReader, type Trust, tlsErrors, trustOf } from './trust.ts';

/** The running plugin of one process: puts the rooms together and holds no logic of theirs. */
export class Plugin {
  readonly #options: Options;
  readonly #clock: Clock;
  readonly #guard: Guard;
  readonly #log: Log;
  readonly #trust: Trust;
  readonly #journal: Journal;
  readonly #machine: Machine;
  readonly #opening: Promise<Registry>;
  readonly #registry: Registry;
  readonly #callers: Callers;
  readonly #traffic: Traffic;
  readonly #curve: Curve;
  readonly #entry: EntryWatch;
  readonly #attendance: Attendance;
  readonly #known: KnownServices;
  readonly #consumer: Consumer;
  readonly #telemetry: Telemetry;
  readonly #signals: Signals;
  readonly #instanceId: string;
  readonly #gracePeriodMs: number;
  readonly #counts = new Counts();
  readonly #leaving = new Leaving();
  readonly #tasks: Tasks;
  readonly #handlers = new Handlers();
  readonly #grpcHealth: GrpcHealth;
  readonly #control: ControlPort;
  readonly #statusFile: StatusFile | undefined;

  constructor(options: Options, log: Log) {
    const guard = new Guard(log);
    const clock = guardedClock(systemClock, (fire) => guard.listener('a timer', fire));
    this.#clock = clock;
    this.#guard = guard;
    this.#grpcHealth = new GrpcHealth(guard);
    this.#trust = trustOf(options, clock, log);
    this.#opening = openRegistries(options.registries, { clock, log });
    const registry = new OpeningRegistry(options.registries, this.#opening);
    this.#options = options;
    this.#log = log;
    this.#tasks = new Tasks(log);
    this.#gracePeriodMs = budgetOf(options, log);
    this.#registry = registry;
    this.#instanceId = `${hostname()}:${process.pid}:${Math.random().toString(36).slice(2, 8)}`;
    this.#journal = new Journal(clock);
    this.#machine = new Machine(this.#journal, clock);
    this.#callers = new Callers(clock);
    this.#entry = new EntryWatch({ ...options, clock, log });
    const { arrivals, probers, unmanaged } = this.#entry;
    this.#control = new ControlPort({
      clock,
      log,
      listen: () => this.#listen(),
      wanted: options.controlPort,
      spoolDir: options.spoolDir,
      service: options.service,
      instanceId: this.#instanceId,
    });
    const reach = new Reach(clock, this.#trust.tls);
    this.#traffic = new Traffic({
      clock,
      guard,
      callers: this.#callers,
      ...this.#entry.hooks,
      decode: consumerReader(this.#trust, clock, log),
      onListen: (server) => {
        this.#entry.listening(server);
        this.#attendance.listening(server);
      },
      isSelf: ({ instanceId }) => instanceId === this.#instanceId,
      onNewCaller: (entry) => {
        reach.ask(entry);
        this.#attendance.newCaller(entry);
      },
    });
    this.#curve = new Curve(clock, () => this.#traffic.counts.started);
    this.#known = new KnownServices(options.spoolDir, options.service, log);
    this.#consumer = new Consumer({
      registry,
      clock,
      guard,
      log,
      header: () => this.#consumerHeader(),
      headerMs: this.#trust.keys && SIGNED_MS,
      services: options.services,
      grpc: options.grpc,
      onCalled: (service) => this.#known.add(service),
      warmupMs: options.warmupMs,
      zone: options.zone,
    });
    this.#attendance = new Attendance({
      clock,
      guard,
      log,
      journal: this.#journal,
      machine: this.#machine,
      traffic: this.#traffic,
      callers: this.#callers,
      unmanaged,
      probers,
      arrivals,
      curve: this.#curve,
      tasks: this.#tasks,
      handlers: this.#handlers,
      registry,
      tryConnection,
      instanceId: this.#instanceId,
      settings: { ...options, gracePeriodMs: this.#gracePeriodMs },
      trust: this.#trust,
      isStatusFileLeft: () => this.#statusFile?.isFailing ?? false,
      causes: causeOf(options.traceparent),
      preconnect: () => this.#preconnect(),
      onServing: () => this.#serving(),
      beforeOnline: () => this.#controlServer(),
      urlOf: (traceId) => linkTo(options.jaegerUrl, traceId),
      afterOffline: (run) => this.#deliver(run),
    });
    this.#telemetry = new Telemetry({ ...options, clock, identity: () => this.identity, log });
    if (!options.exported.traces)
      log('info', 'no shutdown traces: OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER switches them off');
    this.#signals = createSignals({
      clock,
      guard,
      log,
      signals: options.signals,
      offline: async (signal) => (await this.offline(signal).done).result !== 'cancelled',
      exitAfter: () => this.#attendance.leaving?.run.left ?? 0,
      gracePeriod: () => this.#gracePeriodMs,
    });
    this.#statusFile = options.statusFile === undefined ? undefined : new StatusFile(options.statusFile, log);
    if (this.#statusFile !== undefined) {
      this.#statusFile.clear();
      this.#journal.subscribe(this.#statusFile.sink);
    }
    this.#journal.subscribe(this.#grpcHealth.sink);
    this.#journal.subscribe(this.#counts.sink);
    this.#journal.subscribe(logRecords(log));
    const records = channel(RECORDS);
    // In a microtask: a subscriber may begin an offline, and must not do so in the middle of a move.
    this.#journal.subscribe((record) => queueMicrotask(() => records.publish(record)));
    for (const sink of this.#telemetry.sinks) this.#journal.subscribe(sink);
  }

  /**
   * Installs the hooks of this process synchronously. Resolves when the registry is open; when it cannot be opened, removes all
   * hooks.
   *
   * @throws LosslessError LOSSLESS_REGISTRY_URL, LOSSLESS_REGISTRY_MODULE
   */
  async start(): Promise<void> {
    this.#traffic.start();
    const forget = onPackage('grpc-health-check', this.#guard, (loaded) => this.#grpcHealth.adopt(loaded.exports));
    this.#consumer.install();
    this.#signals.watch();
    try {
      await this.#opening;
    } catch (thrown) {
      this.#attendance.fail(asError(thrown));
      this.#control.close();
      forget();
      this.#traffic.stop();
      await this.#consumer.uninstall();
      this.#signals.disarm();
      throw thrown;
    }
  }

  get identity(): Identity {
    return this.#attendance.identity;
  }

  get state(): State {
    return this.#machine.state;
  }

  /** Whether the platform may send traffic. */
  get isReady(): boolean {
    return this.#attendance.isReady;
  }

  /** A balancer has asked the control server whether this instance can be used. */
  checked(address: string | undefined, agent: string | undefined): void {
    this.#entry.checked(address, agent, !this.isReady);
  }

  /** Whether an offline has begun and was not undone. */
  get isLeaving(): boolean {
    return this.#attendance.leaving !== undefined;
  }

  /** Ends the process after an offline that no signal began. */
  exit(): void {
    this.#signals.finish();
  }

  /** Begins an offline, or joins the running one; refused when there is nothing to leave. */
  offline(trigger: OfflineTrigger, links: readonly SpanIds[] = []): OfflineHandle {
    const joined = this.isLeaving;
    const handle = this.#attendance.leave(trigger, links);
    if (!joined && handle.traceId !== undefined) {
      this.#leaving.begin({ traceId: handle.traceId, leftMs: this.#attendance.leaving?.run.left ?? 0 });
      this.#writeTerminationLog(handle.traceId, handle.url ?? '');
    }
    return handle;
  }

  /**
   * Undoes a running offline.
   *
   * @returns the reason, when there is none or it can no longer be undone
   */
  async online(): Promise<Refusal | undefined> {
    const refused = await this.#attendance.comeBack();
    if (refused === undefined) this.#leaving.undo();
    return refused;
  }

  /** Aborted while this instance leaves. */
  get leaving(): AbortSignal {
    return this.#leaving.signal;
  }

  /** Counts `task` of the application as work of this instance until it settles. */
  waitUntil(name: string, task: PromiseLike<unknown>): void {
    this.#tasks.add(name, task);
    this.#working();
  }

  /** Runs `handle` in every offline. @returns a function that removes it */
  onOffline(name: string, handle: Handler): () => void {
    const handler = this.#handlers.add(name, handle);
    this.#working();
    this.#attendance.newHandler(handler);
    return () => this.#handlers.remove(handler);
  }

  /** Tells `listener` every record. @returns ends it */
  subscribe(listener: (record: LifecycleRecord) => unknown): () => void {
    return followRecords(listener, this.#log);
  }

  /** The process has work to end, so the plugin takes its signals first. */
  #working(): void {
    this.#attendance.working();
    this.#signals.arm();
    this.#guard.listener('the control server', () => this.#controlServer())();
  }

  /** The instance as it is now. */
  status(): Status {
    const attendance = this.#attendance;
    const { handle, run } = attendance.leaving ?? {};
    return statusOf({
      identity: this.identity,
      machine: this.#machine,
      online: attendance.online,
      offline: run && { traceId: run.ids.traceId, url: handle?.url ?? '', run },
      ready: this.isReady,
      registry: this.#registry,
      listed: attendance.listed,
      advertised: attendance.advertised,
      weight: attendance.weight,
      traffic: this.#traffic,
      tasks: this.#tasks,
      callers: this.#callers,
      unmanaged: this.#entry.unmanaged,
      probers: this.#entry.probers,
      statusFile: this.#statusFile,
      consumer: this.#consumer,
      telemetry: this.#telemetry,
    });
  }

  /** The instance in numbers, for Prometheus; with ids and addresses for an operator. The code is loaded at the first call. */
  async metrics(accept: string, isOperator: boolean): Promise<Exposition> {
    const [{ expose }, spool] = await Promise.all([import('../metrics/prometheus.ts'), this.#telemetry.spooled()]);
    return expose(
      {
        status: this.status(),
        resource: this.#options.resource,
        counts: this.#counts,
        afterAck: this.#traffic.counts.afterAck,
        spool,
        isOperator,
      },
      accept,
    );
  }

  /** The process is a service: from now on the plugin takes its signals first. */
  #serving(): void {
    this.#signals.arm();
    this.#curve.start();
    this.#entry.arrivals.start();
    if (this.#options.service === UNNAMED)
      this.#log('warn', 'this service has no name: set LOSSLESS_SERVICE or OTEL_SERVICE_NAME', {
        code: 'LOSSLESS_CONFIG_INVALID',
      });
    const unseen = signalUnseen();
    if (unseen !== undefined) this.#log('warn', unseen, { code: 'LOSSLESS_SIGNAL_UNSEEN' });
  }

  /** Undefined when no services are known. */
  #preconnect(): Promise<Facts['preconnect']> | undefined {
    const services = this.#options.preconnect ?? this.#known.names;
    return services.length === 0 ? undefined : this.#consumer.preconnect(services);
  }

  /** Sends the remaining telemetry of the offline, in the time reserved for it. */
  async #deliver({ leftForTelemetry: withinMs }: Offline): Promise<object | undefined> {
    const [delivered] = await Promise.all([this.#telemetry.shutdown(withinMs), this.#endAppTracing(withinMs)]);
    return delivered;
  }

  /** Sends the spans of the last requests, if the plugin traces them, as far as the time allows. */
  async #endAppTracing(withinMs: number): Promise<void> {
    const ended = appTracing()
      ?.shutdown()
      .catch((thrown) => this.#log('warn', asError(thrown).message, { code: 'LOSSLESS_EXPORT_FAILED' }));
    if (ended !== undefined) await within(this.#clock, withinMs, ended, () => {});
  }

  /** Value of the request header of this process; it names the control port, which is therefore opened first. */
  async #consumerHeader(): Promise<string | undefined> {
    const control = await this.#controlServer();
    const host = this.#options.advertise?.host;
    const { keys, tls } = this.#trust;
    return (
      control &&
      encodeConsumer(
        { ...this.identity, port: control.port, ...(host !== undefined && { host }), ...(tls && { tls: true }) },
        keys,
        this.#clock.wall(),
      )
    );
  }

  #controlServer(): Promise<Control | undefined> {
    return this.#control.server;
  }

  #listen(): Promise<Control> {
    const { controlGet: changesByGet, controlHost: host, controlPort: port, controlPortIsFixed } = this.#options;
    const { keys, tls } = this.#trust;
    const operators = keys && new Operators(keys, this.#clock);
    return listen({
      guard: this.#guard,
      host,
      port,
      // Workers of a cluster have the same environment, and one port each.
      isFixed: controlPortIsFixed && !isWorker(),
      operators,
      tls,
      onTlsError: tlsErrors(this.#clock, this.#log),
      identity: () => this.identity,
      changesByGet,
      routes: controlRoutes(this, this.#receiver(), operators),
    });
  }

  /** Facts about this process in acks. */
  get #aboutConsumer(): Pick<Ack, 'version' | 'zone'> {
    const { resource, zone } = this.#options;
    const version = resource['service.version'];
    return { ...(version !== undefined && { version }), ...(zone !== undefined && { zone }) };
  }

  #receiver(): Receiver {
    const { keys } = this.#trust;
    return createReceiver({
      consumer: this.#consumer,
      registry: this.#registry,
      clock: this.#clock,
      journal: this.#journal,
      log: this.#log,
      self: () => this.identity,
      about: this.#aboutConsumer,
      host: this.#options.advertise?.host,
      hasLeft: () => this.state === 'stopping' || this.state === 'stopped',
      verifier: keys && new Verifier(keys, 'goaway', this.#clock),
    });
  }

  #writeTerminationLog(traceId: string | undefined, url: string): void {
    const path = this.#options.terminationLog;
    if (path === undefined) return;
    writeFile(path, `lossless offline, trace ${traceId}\n${url}\n`, { flag: 'a' }).catch((thrown) =>
      this.#log('debug', asError(thrown).message),
    );
  }
}

/** Link to a trace, without password and query, which may hold a token. */
function linkTo(jaegerUrl: string, traceId: string): string {
  const { origin, pathname } = new URL(jaegerUrl);
  return `${origin}${pathname.replace(/\/+$/, '')}/trace/${traceId}`;
}
