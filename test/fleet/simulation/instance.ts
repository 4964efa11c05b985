import { type Clock, sleep } from '../../../src/lifecycle/clock.ts';
import { Deadline } from '../../../src/lifecycle/deadline.ts';
import { Journal } from '../../../src/lifecycle/journal.ts';
import { Machine } from '../../../src/lifecycle/machine.ts';
import type { HoldReason } from '../../../src/lifecycle/outcomes.ts';
import type { RandomHex } from '../../../src/lifecycle/random-hex.ts';
import type { Trigger } from '../../../src/lifecycle/transitions.ts';
import { hostPort } from '../../../src/protocol/host-port.ts';
import { Drain } from '../../../src/provider/offline/drain.ts';
import { Fanout } from '../../../src/provider/offline/fanout.ts';
import type { Call, CallOptions } from '../../../src/provider/offline/goaway.ts';
import { Presences } from '../../../src/provider/offline/presence.ts';
import { resultOf } from '../../../src/provider/offline/result.ts';
import { Registration } from '../../../src/provider/registration/registration.ts';
import type { Instance, Registry } from '../../../src/registry/registry.ts';
import type { Random } from '../random.ts';
import type { Counts } from './counts.ts';
import { SimulatedTraffic } from './traffic.ts';

/** The defaults of the product, in milliseconds. */
const GRACE_MS = 30_000;
const RESERVE_MS = 2_000;
const HOLD_MS = 10_000;
const GOAWAY_MS = 500;
const ATTEMPTS = 3;

/** Within how long the instances of a batch are signalled, in milliseconds. */
const WITHIN_MS = 20;

export interface InstanceOptions {
  readonly clock: Clock;
  readonly hex: RandomHex;
  readonly counts: Counts;
  readonly registry: Registry;
  readonly instance: Instance;
  /** Makes one call of a GoAway. */
  readonly call: (options: CallOptions) => Call;
}

/** A process that serves: the product's machine, registration, callers, fan-out and drain, without sockets. */
export class SimulatedInstance {
  readonly #options: InstanceOptions;
  readonly #journal: Journal;
  readonly #machine: Machine;
  readonly #registration: Registration;
  readonly traffic: SimulatedTraffic;

  constructor(options: InstanceOptions) {
    const { clock, counts, hex, instance, registry } = options;
    this.#options = options;
    this.#journal = new Journal(clock, hex);
    this.#journal.subscribe((record) => {
      if (record.kind === 'ended') counts.span(instance.service, record.work, record.failure?.type ?? 'ok');
    });
    this.#machine = new Machine(this.#journal, clock);
    this.#registration = new Registration(registry, clock);
    this.traffic = new SimulatedTraffic(clock, counts);
  }

  get instance(): Instance {
    return this.#options.instance;
  }

  get hasEnded(): boolean {
    return this.#machine.state === 'stopped';
  }

  /** Whether a request of that consumer would be served now. */
  takes(consumer: number): boolean {
    return this.traffic.isListening || (!this.hasEnded && this.traffic.isConnected(consumer));
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

  /** Leaves, as the product does. */
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
      onOverflow: () => this.traffic.callers.overflow(),
    });
    this.traffic.onCaller = (entry) => fanout.tell(entry);
    for (const entry of this.traffic.callers.recent()) fanout.tell(entry);
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
    this.traffic.isListening = false;
    if (drainResult !== 'timeout') ({ result: drainResult } = await draining.run('rest', ending.signal));
    drain.end({ result: drainResult });
    const { idle, stranded } = fanout.coverage;
    this.#move('drained');
    ending.abort('timeout');
    await fanout.ended();
    const coverage = { ...fanout.coverage, idle, stranded };
    const result = resultOf({
      coverage,
      drainResult,
      hadNothing: false,
      unfinished: [],
      overflowed: this.traffic.callers.overflowed,
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
    const { traffic } = this;
    const holdReason = ({ failed, stranded }: { failed: number; stranded: number }): HoldReason => {
      if (stranded > 0) return 'last_instance';
      if (failed > 0) return 'goaway_failed';
      if (unconfirmed) return 'deregister_unconfirmed';
      return traffic.callers.overflowed > 0 ? 'callers_overflowed' : 'none';
    };
    return new Drain({
      clock: this.#options.clock,
      deadline,
      since,
      observed: {
        inflight: () => traffic.inflight,
        arriving: () => 0,
        retiring: () => 0,
        lastActivity: () => traffic.lastActivity,
        lastBegun: () => traffic.lastBegun,
        lastConnection: () => Number.NEGATIVE_INFINITY,
        consumers: () => {
          const { coverage, ...progress } = fanout.progress;
          const reason = holdReason(coverage);
          const until = reason === 'none' ? since : since + HOLD_MS;
          return { ...progress, holding: { reason, until, bound: until } };
        },
        hasConnections: () => traffic.hasConnections,
        aside: () => 0,
        unread: () => 0,
        seal: async () => 'sealed',
        polled: async () => {},
      },
    });
  }

  #move(trigger: Trigger): void {
    if (!this.#machine.move(trigger)) throw new Error(`${this.#machine.state} refuses ${trigger}`);
  }
}

/** Lets instances begin to leave as signals reach them: together, and not all in the same moment. */
export async function leaveAll(instances: readonly SimulatedInstance[], clock: Clock, random: Random): Promise<void> {
  await Promise.all(
    instances.map(async (instance) => {
      await sleep(clock, random.below(WITHIN_MS));
      await instance.leave();
    }),
  );
}
