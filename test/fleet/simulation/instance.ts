import { type Clock, sleep } from '../../../src/lifecycle/clock.ts';
import { Deadline } from '../../../src/lifecycle/deadline.ts';
import { Journal, type RandomHex } from '../../../src/lifecycle/journal.ts';
import { Machine } from '../../../src/lifecycle/machine.ts';
import type { HoldReason } from '../../../src/lifecycle/outcomes.ts';
import type { Trigger } from '../../../src/lifecycle/transitions.ts';
import { hostPort } from '../../../src/protocol/host-port.ts';
import { Drain } from '../../../src/provider/offline/drain.ts';
import { Fanout } from '../../../src/provider/offline/fanout.ts';
import type { Call, CallOptions } from '../../../src/provider/offline/goaway.ts';
import { Presences } from '../../../src/provider/offline/presence.ts';
import { resultOf } from '../../../src/provider/offline/result.ts';
import { Registration } from '../../../src/provider/registration/registration.ts';
import { Callers } from '../../../src/provider/traffic/callers.ts';
import type { OpenConnection, RecentCaller } from '../../../src/provider/traffic/recent-caller.ts';
import type { Instance, Registry } from '../../../src/registry/registry.ts';
import type { Random } from '../random.ts';
import type { SimulatedConsumer } from './consumer.ts';
import type { Counts } from './counts.ts';

/** The defaults of the product, in milliseconds. */
const GRACE_MS = 30_000;
const RESERVE_MS = 2_000;
const HOLD_MS = 10_000;
const GOAWAY_MS = 500;
const ATTEMPTS = 3;

/** Work of a request, in milliseconds. */
const WORK_MS = 5;

export interface InstanceOptions {
  readonly clock: Clock;
  readonly hex: RandomHex;
  readonly random: Random;
  readonly counts: Counts;
  readonly registry: Registry;
  readonly instance: Instance;
  /** Makes one call of a GoAway. */
  readonly call: (options: CallOptions) => Call;
}

/** The connection of a consumer. */
interface Link extends OpenConnection {
  inflight: number;
}

/** A process that serves: the product's machine, registration, callers, fan-out and drain, without sockets. */
export class SimulatedInstance {
  readonly #options: InstanceOptions;
  readonly #journal: Journal;
  readonly #machine: Machine;
  readonly #registration: Registration;
  readonly #callers: Callers;
  readonly #links = new Map<number, { readonly link: Link; readonly entry: RecentCaller }>();
  #fanout: Fanout | undefined;
  #inflight = 0;
  #lastActivity = 0;
  #lastBegun = 0;
  #isListening = true;
  served = 0;
  afterAck = 0;

  constructor(options: InstanceOptions) {
    const { clock, counts, hex, instance, registry } = options;
    this.#options = options;
    this.#journal = new Journal(clock, hex);
    this.#journal.subscribe((record) => {
      if (record.kind === 'ended') counts.span(instance.service, record.work, record.failure?.type ?? 'ok');
    });
    this.#machine = new Machine(this.#journal, clock);
    this.#registration = new Registration(registry, clock);
    this.#callers = new Callers(clock);
  }

  get instance(): Instance {
    return this.#options.instance;
  }

  get hasEnded(): boolean {
    return this.#machine.state === 'stopped';
  }

  isConnected(consumer: number): boolean {
    return this.#links.has(consumer);
  }

  /** Whether the instance would serve a request of that consumer now. */
  takes(consumer: number): boolean {
    return this.#isListening || (!this.hasEnded && this.isConnected(consumer));
  }

  /** A consumer has closed its connection. */
  disconnect(consumer: number): void {
    const known = this.#links.get(consumer);
    if (known === undefined || known.link.inflight > 0) return;
    this.#callers.closed(known.entry, known.link);
    this.#links.delete(consumer);
  }

  /** Comes online: registered and read back. */
  async start(): Promise<void> {
    this.#move('listening');
    this.#move('probed');
    await this.#registration.write(this.instance);
    const { listed } = await this.#registration.confirm();
    if (!listed) throw new Error(`${this.instance.instanceId} was not confirmed`);
    this.#move('registered');
    this.#move('warmed');
  }

  /** A request has arrived. */
  serve(consumer: SimulatedConsumer, answered: () => void): void {
    const { clock, counts } = this.#options;
    const { entry, link } = this.#links.get(consumer.number) ?? this.#connect(consumer);
    if (entry.telling?.isBrokenBy(clock.now())) this.afterAck++;
    entry.rhythm.beat(clock.now());
    this.#count(link, 1);
    this.#lastBegun = clock.now();
    counts.served++;
    this.served++;
    clock.after(WORK_MS, () => {
      this.#count(link, -1);
      answered();
    });
  }

  /** Leaves as the product does. */
  async leave(): Promise<void> {
    const { call, clock, counts, registry } = this.#options;
    const since = clock.now();
    this.#move('offline');
    const ending = new AbortController();
    const deadline = new Deadline(clock, GRACE_MS, RESERVE_MS);
    const root = this.#journal.start('offline');
    const presences = new Presences(registry, clock);
    const { service, instanceId, generation } = this.instance;
    const fanout = new Fanout({
      clock,
      deadline,
      signal: ending.signal,
      provider: { service, instanceId, generation, address: hostPort(this.instance) },
      isolationMs: () => Math.ceil(deadline.left) + GRACE_MS,
      timeoutMs: GOAWAY_MS,
      keys: undefined,
      tls: undefined,
      call,
      journal: this.#journal,
      root: root.ids,
      holdMs: HOLD_MS,
      attempts: ATTEMPTS,
      presenceOf: (entry) => presences.of(entry),
      onOverflow: () => this.#callers.overflow(),
    });
    this.#fanout = fanout;
    for (const entry of this.#callers.recent()) fanout.tell(entry);
    const deregister = this.#journal.start('deregister', { parent: root.ids });
    const [, { result: deregistered }] = await Promise.all([
      deadline.within(fanout.settled(), undefined).then(() => counts.toldMs.push(clock.now() - since)),
      this.#registration.deregister(ending.signal).then((done) => {
        deregister.end({ result: done.result });
        return done;
      }),
    ]);
    this.#move('notified');
    const drain = this.#journal.start('drain', { parent: root.ids });
    const unconfirmed = deregistered !== 'confirmed';
    const draining = this.#drain(fanout, deadline, since, unconfirmed);
    let { result: drainResult } = await draining.run('serve', ending.signal);
    this.#isListening = false;
    if (drainResult !== 'timeout') ({ result: drainResult } = await draining.run('rest', ending.signal));
    drain.end({ result: drainResult });
    const { idle, stranded } = fanout.coverage;
    this.#move('drained');
    ending.abort('timeout');
    await fanout.settled();
    const coverage = { ...fanout.coverage, idle, stranded };
    const result = resultOf({
      coverage,
      drainResult,
      hadNothing: false,
      unfinished: [],
      overflowed: this.#callers.overflowed,
      unconfirmed,
      causes: fanout.causes,
      exposed: undefined,
    });
    root.end({ result });
    counts.result(result);
    counts.offlineMs.push(clock.now() - since);
    this.#move('stopped');
  }

  #drain(fanout: Fanout, deadline: Deadline, since: number, unconfirmed: boolean): Drain {
    const holdReason = ({ failed, stranded }: { failed: number; stranded: number }): HoldReason => {
      if (stranded > 0) return 'last_instance';
      if (failed > 0) return 'goaway_failed';
      if (unconfirmed) return 'deregister_unconfirmed';
      return this.#callers.overflowed > 0 ? 'callers_overflowed' : 'none';
    };
    return new Drain({
      clock: this.#options.clock,
      deadline,
      since,
      observed: {
        inflight: () => this.#inflight,
        arriving: () => 0,
        retiring: () => 0,
        lastActivity: () => this.#lastActivity,
        lastBegun: () => this.#lastBegun,
        lastConnection: () => Number.NEGATIVE_INFINITY,
        consumers: () => {
          const { coverage, ...progress } = fanout.progress;
          const reason = holdReason(coverage);
          const until = reason === 'none' ? since : since + HOLD_MS;
          return { ...progress, holding: { reason, until, bound: until } };
        },
        hasConnections: () => this.#links.size > 0,
        unread: () => 0,
      },
    });
  }

  #connect(consumer: SimulatedConsumer): { readonly link: Link; readonly entry: RecentCaller } {
    const link: Link = { inflight: 0, protocol: 'http/1.1' };
    const remoteAddress = `caller-${consumer.number}`;
    const { entry } = this.#callers.opened(consumer.caller, { remoteAddress }, link);
    const known = { link, entry };
    this.#links.set(consumer.number, known);
    this.#fanout?.tell(entry);
    return known;
  }

  #count(link: Link, by: 1 | -1): void {
    link.inflight += by;
    this.#inflight += by;
    this.#lastActivity = this.#options.clock.now();
  }

  #move(trigger: Trigger): void {
    if (!this.#machine.move(trigger)) throw new Error(`${this.#machine.state} refuses ${trigger}`);
  }
}

/** Lets instances leave, beginning at different moments. */
export async function leaveAll(instances: readonly SimulatedInstance[], clock: Clock, random: Random): Promise<void> {
  await Promise.all(
    instances.map(async (instance) => {
      await sleep(clock, random.below(100));
      await instance.leave();
    }),
  );
}
