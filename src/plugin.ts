import { channel } from 'node:diagnostics_channel';
import { hostname } from 'node:os';
import { type Options, UNNAMED } from './config/options.ts';
import { Consumer } from './consumer/consumer.ts';
import { KnownServices } from './consumer/known-services.ts';
import type { Preconnected } from './consumer/preconnect.ts';
import { createReceiver, type Receiver } from './consumer/receiver.ts';
import { causeOf, controlRoutes } from './control-routes.ts';
import { asError } from './errors.ts';
import { Guard } from './guard.ts';
import { type Clock, guardedClock, sleep, systemClock } from './lifecycle/clock.ts';
import { Journal } from './lifecycle/journal.ts';
import { Machine } from './lifecycle/machine.ts';
import type { SpanIds } from './lifecycle/records.ts';
import type { State } from './lifecycle/transitions.ts';
import { warmupShare } from './lifecycle/warmup.ts';
import { type Log, logRecords } from './log.ts';
import { Counts } from './metrics/counts.ts';
import type { Exposition } from './metrics/prometheus.ts';
import { decodeConsumer, encodeConsumer } from './protocol/header.ts';
import type { Identity } from './protocol/identity.ts';
import { Verifier } from './protocol/signature.ts';
import { Callers } from './provider/callers.ts';
import { type Control, listen } from './provider/control.ts';
import { Curve } from './provider/curve.ts';
import type { HttpServer } from './provider/http-server.ts';
import { budgetOf, signalUnseen } from './provider/launcher.ts';
import { type MainServer, mainServer } from './provider/main-server.ts';
import { Offline, type OfflineReport } from './provider/offline.ts';
import { Online } from './provider/online.ts';
import { Registration } from './provider/registration.ts';
import { createSignals, type Signals } from './provider/signals.ts';
import { Traffic } from './provider/traffic.ts';
import { openRegistries } from './registry/open.ts';
import { OpeningRegistry } from './registry/opening.ts';
import type { Instance, Registry } from './registry/registry.ts';
import { appTracing } from './running.ts';
import { type Status, statusOf } from './status.ts';
import { createTracing } from './trace/provider.ts';
import type { OfflineTrigger, OnlineTrigger } from './trace/schema.ts';
import type { Tracing } from './trace/tracing.ts';

/** What an offline answers while it runs. */
export interface OfflineHandle {
  readonly traceId: string;
  /** Where the trace can be looked at. */
  readonly url: string;
  /** Resolves when the stop is done and the trace is sent or spooled. Never rejects. */
  readonly done: Promise<OfflineReport>;
}

/** The running plugin of one process: puts the rooms together and holds no logic of theirs. */
export class Plugin {
  readonly #options: Options;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #journal: Journal;
  readonly #machine: Machine;
  readonly #opening: Promise<Registry>;
  readonly #registry: Registry;
  readonly #callers: Callers;
  readonly #traffic: Traffic;
  readonly #curve: Curve;
  readonly #registration: Registration;
  readonly #known: KnownServices;
  readonly #consumer: Consumer;
  readonly #tracing: Tracing | undefined;
  readonly #signals: Signals;
  readonly #instanceId: string;
  readonly #gracePeriodMs: number;
  readonly #counts = new Counts();
  #generation: number = Math.round(performance.timeOrigin);
  #control: Promise<Control | undefined> | undefined;
  #online: Online | undefined;
  #offline: { readonly run: Offline; readonly handle: OfflineHandle } | undefined;
  #main: Promise<MainServer> | undefined;
  #advertised: MainServer['advertised'] | undefined;
  #registeredAt = 0;

  constructor(options: Options, log: Log) {
    const guard = new Guard(log);
    const clock = guardedClock(systemClock, (fire) => guard.listener('a timer', fire));
    this.#clock = clock;
    this.#opening = openRegistries(options.registries, { clock, log });
    const registry = new OpeningRegistry(options.registries, this.#opening);
    this.#options = options;
    this.#log = log;
    this.#gracePeriodMs = budgetOf(options, log);
    this.#registry = registry;
    this.#instanceId = `${hostname()}:${process.pid}:${Math.random().toString(36).slice(2, 8)}`;
    this.#journal = new Journal(clock);
    this.#machine = new Machine(this.#journal, clock);
    this.#callers = new Callers(clock);
    this.#traffic = new Traffic({
      clock,
      guard,
      callers: this.#callers,
      decode: (header) => decodeConsumer(header, options.secret),
      onListen: (server) => this.#listening(server),
      onNewCaller: (entry) => this.#offline?.run.tell(entry),
    });
    this.#curve = new Curve(clock, () => this.#traffic.started);
    this.#registration = new Registration(registry, clock);
    this.#known = new KnownServices(options.spoolDir, options.service, log);
    this.#consumer = new Consumer({
      registry,
      clock,
      guard,
      log,
      header: () => this.#consumerHeader(),
      services: options.services,
      onCalled: (service) => this.#known.add(service),
      warmupMs: options.warmupMs,
      warmupCurve: options.warmupCurve,
      zone: options.zone,
    });
    this.#tracing = options.telemetryDisabled ? undefined : this.#createTracing();
    this.#signals = createSignals({
      clock,
      log,
      offline: async (signal) => (await this.offline(signal).done).result !== 'cancelled',
      exitAfter: () => this.#offline?.run.left ?? 0,
      gracePeriod: () => this.#gracePeriodMs,
    });
    this.#journal.subscribe(this.#counts.sink);
    this.#journal.subscribe(logRecords(log));
    const records = channel('lossless:record');
    this.#journal.subscribe((record) => records.publish(record));
    if (this.#tracing) this.#journal.subscribe(this.#tracing.sink);
  }

  /**
   * Hooks into this process, at once. Resolves when the registry is opened; when it cannot be, everything is taken back.
   *
   * @throws LosslessError LOSSLESS_REGISTRY_URL
   */
  async start(): Promise<void> {
    this.#traffic.start();
    this.#consumer.install();
    this.#signals.watch();
    try {
      await this.#opening;
    } catch (thrown) {
      this.#traffic.stop();
      await this.#consumer.uninstall();
      this.#signals.disarm();
      throw thrown;
    }
  }

  get identity(): Identity {
    return { service: this.#options.service, instanceId: this.#instanceId, generation: this.#generation };
  }

  get state(): State {
    return this.#machine.state;
  }

  /** Whether the platform may send traffic. */
  get isReady(): boolean {
    return this.#online?.isReady === true && this.#registration.listed;
  }

  /** Whether an offline has begun that was not undone. */
  get isLeaving(): boolean {
    return this.#offline !== undefined;
  }

  /** Ends the process after an offline that no signal began. */
  exit(): void {
    this.#signals.finish();
  }

  /** Begins an offline, or joins the running one. */
  offline(trigger: OfflineTrigger, links: readonly SpanIds[] = []): OfflineHandle {
    if (this.#offline !== undefined) return this.#offline.handle;
    this.#online?.cancel();
    const run = new Offline(
      {
        clock: this.#clock,
        journal: this.#journal,
        machine: this.#machine,
        traffic: this.#traffic,
        callers: this.#callers,
        curve: this.#curve,
        registry: this.#registry,
        registration: this.#registration,
        identity: () => this.identity,
        settings: { ...this.#options, gracePeriodMs: this.#gracePeriodMs },
      },
      trigger,
      [...links, ...causeOf(this.#options.traceparent)],
    );
    const { traceId } = run.ids;
    const url = withoutLogin(`${this.#options.jaegerUrl}/trace/${traceId}`);
    this.#log('info', `offline begun: ${url}`, { ids: run.ids, url });
    const handle: OfflineHandle = { traceId, url, done: this.#finish(run) };
    this.#offline = { run, handle };
    this.#writeTerminationLog(traceId, url);
    return handle;
  }

  /**
   * Undoes a running offline, as a new generation, so that consumers lift the isolation at once.
   *
   * @returns false when there is none, or when it can no longer be undone
   */
  async online(): Promise<boolean> {
    const running = this.#offline;
    if (!this.#machine.move('online', running?.run.ids) || running === undefined) return false;
    running.run.cancel();
    // A signal that comes while it ends must not join it: nothing would come of that signal.
    this.#offline = undefined;
    await running.handle.done;
    if (this.#offline !== undefined) return true;
    this.#generation = Math.max(this.#generation + 1, this.#clock.wall());
    this.#comeOnline('undo', [running.run.ids]);
    return true;
  }

  /** The instance as it is now. */
  status(): Status {
    const { handle, run } = this.#offline ?? {};
    return statusOf({
      identity: this.identity,
      machine: this.#machine,
      online: this.#online,
      offline: handle && run && { traceId: handle.traceId, url: handle.url, run },
      ready: this.isReady,
      registry: this.#registry,
      listed: this.#registration.listed,
      advertised: this.#advertised,
      weight: this.#weight,
      traffic: this.#traffic,
      callers: this.#callers,
      consumer: this.#consumer,
      tracing: this.#tracing,
    });
  }

  /** The instance in numbers, for Prometheus. The library is loaded when it is first asked for. */
  async metrics(accept: string): Promise<Exposition> {
    const [{ expose }, spool] = await Promise.all([
      import('./metrics/prometheus.ts'),
      this.#tracing?.spooled() ?? { files: 0, bytes: 0 },
    ]);
    return expose({ status: this.status(), counts: this.#counts, afterAck: this.#traffic.afterAck, spool }, accept);
  }

  /** Of a registration that is not confirmed: nothing. */
  get #weight(): number {
    if (!this.#registration.listed) return 0;
    const { warmupMs: ms, warmupCurve: curve } = this.#options;
    return warmupShare(this.#clock.wall() - this.#registeredAt, { ms, curve });
  }

  /** The first that is on the network; its address decides which of our own consumers can reach. */
  #mainRegistry(): URL {
    const { registries } = this.#options;
    return registries.find(({ hostname }) => hostname !== '') ?? (registries[0] as URL);
  }

  #listening(server: HttpServer): void {
    if (this.#machine.state !== 'created') return;
    const bound = server.address();
    if (typeof bound === 'string') {
      this.#log('info', `the server on ${bound} is not registered: consumers need a port`);
      return;
    }
    this.#main = mainServer({
      clock: this.#clock,
      traffic: this.#traffic,
      first: server,
      configured: this.#options.advertise,
      registry: this.#mainRegistry(),
    });
    const ids = this.#comeOnline('start', causeOf(this.#options.traceparent));
    this.#machine.move('listening', ids);
    this.#signals.arm();
    this.#curve.start();
    if (this.#options.service === UNNAMED)
      this.#log('warn', 'this service has no name: set LOSSLESS_SERVICE or OTEL_SERVICE_NAME', {
        code: 'LOSSLESS_CONFIG_INVALID',
      });
    const unseen = signalUnseen();
    if (unseen !== undefined) this.#log('warn', unseen, { code: 'LOSSLESS_SIGNAL_UNSEEN' });
  }

  /** Begins to come online. @returns where its trace is */
  #comeOnline(trigger: OnlineTrigger, links: readonly SpanIds[]): SpanIds {
    const online = this.#newOnline(trigger, links);
    this.#online = online;
    this.#run(online).catch((thrown) => {
      const error = asError(thrown);
      this.#log('error', error.message, { code: 'LOSSLESS_START_FAILED' });
      online.fail(error);
    });
    return online.ids;
  }

  async #run(online: Online): Promise<void> {
    const main = await this.#main;
    if (main === undefined) return;
    this.#advertised = main.advertised;
    await this.#controlServer();
    await online.run(main.target, () => this.#entryOf(main));
  }

  /** The entry as it is written now: the warm-up begins with it. */
  #entryOf({ advertised }: MainServer): Instance {
    this.#registeredAt = this.#clock.wall();
    return {
      service: this.#options.service,
      instanceId: this.#instanceId,
      generation: this.#generation,
      ...advertised,
      weight: 100,
      registeredAt: this.#registeredAt,
      metadata: this.#options.metadata,
    };
  }

  #newOnline(trigger: OnlineTrigger, links: readonly SpanIds[]): Online {
    return new Online(
      {
        clock: this.#clock,
        log: this.#log,
        journal: this.#journal,
        machine: this.#machine,
        registry: this.#registry,
        registration: this.#registration,
        started: () => this.#traffic.started,
        preconnect: () => this.#preconnect(),
        settings: this.#options,
      },
      trigger,
      links,
    );
  }

  /** Undefined when no services are known. */
  #preconnect(): Promise<Preconnected> | undefined {
    const services = this.#options.preconnect ?? this.#known.names;
    return services.length === 0 ? undefined : this.#consumer.preconnect(services);
  }

  async #finish(run: Offline): Promise<OfflineReport> {
    const alive = this.#clock.hold();
    const report = await run.run();
    if (report.result === 'cancelled') {
      alive.cancel();
      return report;
    }
    const withinMs = run.leftForTelemetry;
    const [delivery] = await Promise.all([this.#tracing?.shutdown(withinMs), this.#endAppTracing(withinMs)]);
    this.#machine.move('stopped', run.ids);
    this.#log('info', `offline ended: ${report.result}`, { ids: run.ids, ...report, ...delivery });
    alive.cancel();
    return report;
  }

  /** Sends the spans of the last requests, if this plugin traces them; what takes longer is left. */
  async #endAppTracing(withinMs: number): Promise<void> {
    const ended = appTracing()
      ?.shutdown()
      .catch((thrown) => this.#log('warn', asError(thrown).message, { code: 'LOSSLESS_EXPORT_FAILED' }));
    if (ended !== undefined) await Promise.race([ended, sleep(this.#clock, withinMs)]);
  }

  #createTracing(): Tracing {
    const { traces, resource, spoolDir } = this.#options;
    return createTracing({
      clock: this.#clock,
      identity: () => this.identity,
      target: traces,
      resource,
      spoolDir,
      log: this.#log,
    });
  }

  /** Value of the request header of this process; it names the control port, so that is opened first. */
  async #consumerHeader(): Promise<string | undefined> {
    const control = await this.#controlServer();
    const host = this.#options.advertise?.host;
    return (
      control &&
      encodeConsumer(
        { ...this.identity, port: control.port, ...(host !== undefined && { host }) },
        this.#options.secret,
      )
    );
  }

  #controlServer(): Promise<Control | undefined> {
    const { controlHost: host, controlPort: port, secret } = this.#options;
    this.#control ??= listen({ host, port, secret, routes: controlRoutes(this, this.#receiver()) }).then(
      (control) => {
        this.#log('info', `control server listens on port ${control.port}`);
        return control;
      },
      (thrown) => {
        this.#log('error', asError(thrown).message, { code: 'LOSSLESS_CONTROL_PORT' });
        return undefined;
      },
    );
    return this.#control;
  }

  #receiver(): Receiver {
    const { secret } = this.#options;
    return createReceiver({
      consumer: this.#consumer,
      registry: this.#registry,
      clock: this.#clock,
      journal: this.#journal,
      log: this.#log,
      self: () => this.identity,
      hasLeft: () => this.state === 'stopping' || this.state === 'stopped',
      verifier: secret === undefined ? undefined : new Verifier(secret, this.#clock),
    });
  }

  #writeTerminationLog(traceId: string, url: string): void {
    const path = this.#options.terminationLog;
    if (path === undefined) return;
    import('node:fs/promises')
      .then(({ writeFile }) => writeFile(path, `lossless offline, trace ${traceId}\n${url}\n`, { flag: 'a' }))
      .catch((thrown) => this.#log('debug', asError(thrown).message));
  }
}

/** What is printed holds no password. */
function withoutLogin(url: string): string {
  return Object.assign(new URL(url), { username: '', password: '' }).href;
}
