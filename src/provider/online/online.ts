import { asError } from '../../errors.ts';
import { unlessAborted } from '../../lifecycle/abort.ts';
import { Backoff } from '../../lifecycle/backoff.ts';
import { type Clock, sleep } from '../../lifecycle/clock.ts';
import type { Facts, Known, WorkName } from '../../lifecycle/facts.ts';
import type { Journal, Work } from '../../lifecycle/journal.ts';
import type { Machine } from '../../lifecycle/machine.ts';
import type { OnlineTrigger, Readiness } from '../../lifecycle/outcomes.ts';
import type { SpanIds } from '../../lifecycle/records.ts';
import { WARMUP_CURVE } from '../../lifecycle/warmup.ts';
import type { Log } from '../../log.ts';
import type { Instance, Registry } from '../../registry/registry.ts';
import { describe, withEndpoints } from '../registration/endpoints.ts';
import { type LocateOptions, locate, type MainServer, targetOf } from '../registration/main-server.ts';
import { ask, isGrpcProbe } from '../registration/probe.ts';
import type { Answer } from '../registration/probe-target.ts';
import type { Registration } from '../registration/registration.ts';
import { type Candidate, nameOf, type Servers } from '../registration/servers.ts';
import { Warming } from './warming.ts';

/** Time between two tries of the probe, in milliseconds. */
const PROBE_EVERY_MS = 1_000;

/** Wait before the next search for a server, in milliseconds, when none can be registered. */
const FIND_EVERY_MS = 250;

/** Waits between calls of the registry: short at first for a restart, then longer for an outage. */
const WAITS = { initialMs: 200, factor: 2, capMs: 10_000 };

/** The plugin logs a registry that has not answered for this long, in milliseconds. */
const REGISTRY_LATE_MS = 10_000;

export interface OnlineContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly journal: Journal;
  readonly machine: Machine;
  readonly registry: Registry;
  readonly registration: Registration;
  readonly servers: Servers;
  readonly location: LocateOptions;
  /** A server is chosen; `entry` and the other parts use it from now on. */
  readonly onChosen: (main: MainServer) => void;
  /** The entry to write: computed for each write, because consumers measure the warm-up from its `registeredAt`. */
  readonly entry: (advertised: NonNullable<MainServer['advertised']>) => Instance;
  /** Requests started since the process began. */
  readonly started: () => number;
  /** Builds connections to the services that this process calls; undefined when none are known. Never rejects. */
  readonly preconnect: () => Promise<Facts['preconnect']> | undefined;
  readonly settings: OnlineSettings;
}

export interface OnlineSettings {
  readonly registerDelayMs: number;
  readonly probe: string | undefined;
  readonly warmupMs: number;
  readonly readiness: Readiness;
}

/**
 * One start of an instance: delay, choice of the server, probe, connections, registration read back, ready, warm-up. It registers
 * only after the application answers its probe, and is ready only when the registry lists it. A server on a Unix socket has no
 * address to register and is ready without an entry. A failed step is retried, at a bounded rate, for as long as the process
 * lives; the platform may restart it.
 */
export class Online {
  readonly #context: OnlineContext;
  readonly #trigger: OnlineTrigger;
  readonly #root: Work<'online'>;
  readonly #ending = new AbortController();
  #locating: Work<'locate'> | undefined;
  #phase: Work | undefined;
  #warming: Warming | undefined;
  #waitsFor = 'nothing';
  /** Why the registry does not accept or list the entry; undefined while it answers. */
  #trouble: string | undefined;
  #ready = false;

  /**
   * @param links the undone offline, and the cause of this process
   * @param ids ids of its trace, when a move has named them
   */
  constructor(context: OnlineContext, trigger: OnlineTrigger, links: readonly SpanIds[], ids?: SpanIds) {
    this.#context = context;
    this.#trigger = trigger;
    this.#root = context.journal.start('online', { links, facts: { trigger }, ...(ids && { ids }) });
    context.journal.start('online.started', { parent: this.#root.ids, facts: { trigger } }).end();
  }

  /** Ids of its trace. */
  get ids(): SpanIds {
    return this.#root.ids;
  }

  /** The current wait, for people. */
  get waitsFor(): string {
    return this.#trouble ?? this.#waitsFor;
  }

  /** Whether the platform may send traffic. */
  get isReady(): boolean {
    return this.#ready;
  }

  get #isEnded(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Cancels the start: an offline has begun. Its spans end at once. */
  cancel(): void {
    if (this.#end()) this.#root.end({ result: 'cancelled' });
  }

  /** Ends the start: another try cannot change this failure. */
  fail({ name, message }: Error): void {
    if (!this.#end()) return;
    this.#waitsFor = `nothing, as it has failed: ${message}`;
    this.#root.end({ result: 'error' }, { type: name, message });
  }

  /**
   * From `starting` to `serving`.
   *
   * @param vacated resolves when no earlier start or offline writes or removes the entry any more
   */
  async run(vacated: Promise<unknown>): Promise<void> {
    const { journal, machine } = this.#context;
    this.#locating = journal.start('locate', { parent: this.ids });
    await vacated;
    await this.#delay();
    const main = await this.#find();
    if (main === undefined) return;
    await this.#preconnect();
    if (this.#isEnded || !machine.move('probed', this.ids)) return;
    const { advertised } = main;
    if (advertised === undefined) return this.#serveUnregistered(main);
    await this.#register(() => this.#context.entry(advertised));
  }

  /** Writes the entry again, as `instance`, until the registry accepts it or this start has ended. */
  async rewrite(instance: Instance): Promise<void> {
    await this.#until(() => this.#tryWrite(() => instance));
  }

  /** Only a process that starts has one. */
  async #delay(): Promise<void> {
    const { clock, settings } = this.#context;
    const { registerDelayMs } = settings;
    if (this.#isEnded || registerDelayMs === 0 || this.#trigger !== 'start') return;
    const work = this.#begin('delay', 'the start delay', { delayMs: registerDelayMs });
    await sleep(clock, registerDelayMs, this.#ending.signal);
    work.end();
  }

  /** @returns undefined when the start was cancelled before */
  async #find(): Promise<MainServer | undefined> {
    const { clock, location, log, onChosen, servers, settings } = this.#context;
    for (let tries = 0; !this.#isEnded; tries++) {
      this.#waitsFor = 'an HTTP server of the application';
      await unlessAborted(this.#ending.signal, servers.settled, undefined);
      const candidate = settings.probe === undefined ? servers.candidates[0] : await this.#probe(settings.probe);
      const { all } = servers;
      const located = candidate && (await locate(candidate, location));
      const main = located && 'candidate' in located ? await withEndpoints(located, all, location) : located;
      if (this.#isEnded) return undefined;
      const isCurrent = servers.all.every((each) => all.includes(each));
      if (main !== undefined && 'candidate' in main && isCurrent && servers.listens(main.candidate)) {
        if (settings.probe === undefined) servers.say(main.candidate);
        if (main.advertised !== undefined) log('info', `reached by ${describe(main.advertised)}`);
        onChosen(main);
        this.#locating?.end({ attempts: tries + 1 });
        return main;
      }
      if (main !== undefined && 'unreachable' in main) {
        const { unreachable } = main;
        this.#waitsFor = `a connection to its own address, which fails: ${unreachable}`;
        if (tries === 0)
          log('warn', `not registered before its address takes a connection from this process: ${unreachable}`, {
            code: 'LOSSLESS_ADDRESS_UNREACHABLE',
          });
      }
      await sleep(clock, FIND_EVERY_MS, this.#ending.signal);
    }
    return undefined;
  }

  async #preconnect(): Promise<void> {
    const { preconnect } = this.#context;
    const connecting = this.#isEnded ? undefined : preconnect();
    if (connecting === undefined) return;
    const work = this.#begin('preconnect', 'connections to the services it calls');
    const preconnected = await unlessAborted(this.#ending.signal, connecting, undefined);
    if (preconnected === undefined) return;
    work.end(preconnected);
  }

  /** Nothing is written and nothing is read back. */
  #serveUnregistered({ candidate }: MainServer): void {
    const { log, machine, settings } = this.#context;
    log('info', `the server on ${nameOf(candidate)} is not registered: consumers need a port`);
    this.#begin('register', 'nothing').end({ attempts: 0 });
    this.#begin('register.read_back', 'nothing').end({ attempts: 0, result: 'none', listed: 0 });
    if (!machine.move('portless', this.ids)) return;
    this.#becomeReady();
    this.#root.end({ result: 'success', readiness: settings.readiness });
  }

  async #register(entry: () => Instance): Promise<void> {
    const { machine, settings } = this.#context;
    await this.#write(entry);
    if (!this.#isEnded) await this.#readBack(entry);
    if (this.#isEnded || !machine.move('registered', this.ids)) return;
    if (settings.readiness === 'registered') this.#becomeReady();
    if (settings.warmupMs > 0) await this.#warmUp();
    if (this.#isEnded || !machine.move('warmed', this.ids)) return;
    this.#waitsFor = 'nothing';
    if (settings.readiness === 'warmed') this.#becomeReady();
    this.#root.end({ result: 'success', readiness: settings.readiness });
  }

  /** @returns false when the start has ended before */
  #end(): boolean {
    if (this.#isEnded) return false;
    this.#ending.abort();
    this.#ready = false;
    this.#locating?.end();
    this.#phase?.end(this.#warming?.facts);
    return true;
  }

  #begin<W extends WorkName>(name: W, waitsFor: string, facts: Known<W> = {}): Work<W> {
    this.#waitsFor = waitsFor;
    const work = this.#context.journal.start(name, { parent: this.ids, facts });
    this.#phase = work;
    return work;
  }

  /**
   * Probes every server that consumers may call, until one answers well. A good answer of a gRPC server means that the process is
   * ready, not that this server takes HTTP requests.
   *
   * @returns undefined when the start was cancelled before
   */
  async #probe(path: string): Promise<Candidate | undefined> {
    const { clock, log, servers } = this.#context;
    // Its query may hold a token.
    const shown = path.replace(/\?.*/s, '');
    const isGrpc = isGrpcProbe(path);
    const wanted = isGrpc ? `SERVING from ${shown}` : `a 2xx answer of ${shown}`;
    const work = this.#begin('probe', wanted, { path: shown });
    for (let attempts = 1; !this.#isEnded; attempts++) {
      const answers = await Promise.all(
        (isGrpc ? servers.all : servers.candidates).map((each) => this.#ask(each, path)),
      );
      const good = answers.filter(({ answer }) => answer.isGood);
      const [found] = good;
      if (found !== undefined) {
        const { statusCode } = found.answer;
        work.end({ attempts, ...(statusCode !== undefined && { statusCode }) });
        if (isGrpc) return servers.candidates[0];
        servers.say(found.candidate, good.length === 1 ? `it alone answers ${shown} with 2xx` : undefined);
        return found.candidate;
      }
      const said = answers.map(({ answer }) => answer.said).join(', ') || 'nothing';
      this.#waitsFor = `${wanted}; the last answer was ${said}`;
      if (attempts === 1)
        log('warn', `not registered before ${shown} answers ${isGrpc ? 'SERVING' : '2xx'}; it answered ${said}`, {
          code: 'LOSSLESS_PROBE_FAILED',
        });
      await sleep(clock, PROBE_EVERY_MS, this.#ending.signal);
    }
    return undefined;
  }

  async #ask(candidate: Candidate, path: string): Promise<{ readonly candidate: Candidate; readonly answer: Answer }> {
    const { clock, location } = this.#context;
    return { candidate, answer: await ask(candidate.server, await targetOf(candidate, location), path, clock) };
  }

  async #write(entry: () => Instance): Promise<void> {
    const { registry } = this.#context;
    const work = this.#begin('register', 'the registry to take the entry', {
      registryType: registry.type,
      registryAddress: registry.address,
    });
    const attempts = await this.#until(() => this.#tryWrite(entry));
    work.end({ attempts });
  }

  /** A list without the entry may lag, or may have lost it: the entry is written again before each further read. */
  async #readBack(entry: () => Instance): Promise<void> {
    const { registration } = this.#context;
    const work = this.#begin('register.read_back', 'the registry to list this instance');
    let listed = 0;
    const attempts = await this.#until(async (attempt) => {
      if (attempt > 1 && !(await this.#tryWrite(entry))) return false;
      const confirmed = await this.#call(() => registration.confirm(this.#ending.signal));
      listed = confirmed?.count ?? listed;
      return confirmed?.listed === true;
    });
    work.end({ attempts, result: 'confirmed', listed });
  }

  async #tryWrite(entry: () => Instance): Promise<boolean> {
    return (await this.#call(() => this.#context.registration.write(entry()).then(() => true))) === true;
  }

  /** Tries until it succeeds, with growing waits. @returns the number of attempts */
  async #until(attempt: (n: number) => Promise<boolean>): Promise<number> {
    const backoff = new Backoff(WAITS);
    for (let n = 1; ; n++) {
      if (this.#isEnded || (await attempt(n))) return n;
      await sleep(this.#context.clock, backoff.next(), this.#ending.signal);
    }
  }

  /** Calls the registry. @returns undefined when it refused, which is logged */
  async #call<T>(call: () => Promise<T>): Promise<T | undefined> {
    const { clock, log } = this.#context;
    // A second call beside a hanging one would not help, so the plugin logs it and waits.
    const late = clock.after(REGISTRY_LATE_MS, () => {
      this.#trouble = 'the registry, which does not answer';
      log('warn', `the registry has not answered for ${REGISTRY_LATE_MS} ms`, {
        code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
      });
    });
    try {
      const answer = await call();
      this.#trouble = undefined;
      return answer;
    } catch (thrown) {
      if (this.#isEnded) return undefined;
      this.#trouble = `the registry: ${asError(thrown).message}`;
      log('warn', asError(thrown).message, { code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
      return undefined;
    } finally {
      late.cancel();
    }
  }

  #becomeReady(): void {
    const { journal, settings } = this.#context;
    this.#ready = true;
    journal.start('ready', { parent: this.ids, facts: { readiness: settings.readiness } }).end();
  }

  async #warmUp(): Promise<void> {
    const { clock, settings, started } = this.#context;
    const work = this.#begin('warmup', 'the end of the warm-up');
    this.#warming = new Warming(clock, { ms: settings.warmupMs, curve: WARMUP_CURVE }, started);
    await this.#warming.run(this.#ending.signal);
    work.end(this.#warming.facts);
  }
}
