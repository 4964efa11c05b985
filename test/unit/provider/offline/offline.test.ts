import { channel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Guard } from '../../../../src/guard.ts';
import { sleep } from '../../../../src/lifecycle/clock.ts';
import { Journal } from '../../../../src/lifecycle/journal.ts';
import { Machine } from '../../../../src/lifecycle/machine.ts';
import type { LifecycleRecord } from '../../../../src/lifecycle/records.ts';
import type { Refusal } from '../../../../src/lifecycle/refusal.ts';
import { isRunning, STATES, type State } from '../../../../src/lifecycle/transitions.ts';
import { encodeAck, encodeIdle } from '../../../../src/protocol/goaway.ts';
import { CONSUMER_HEADER, decodeConsumer, encodeConsumer } from '../../../../src/protocol/header.ts';
import { Attendance } from '../../../../src/provider/attendance.ts';
import { EntryWatch } from '../../../../src/provider/entry/entry-watch.ts';
import type { OfflineReport } from '../../../../src/provider/offline/offline.ts';
import { Callers } from '../../../../src/provider/traffic/callers.ts';
import { Curve } from '../../../../src/provider/traffic/curve.ts';
import { Traffic } from '../../../../src/provider/traffic/traffic.ts';
import { Handlers } from '../../../../src/provider/work/handlers.ts';
import { Tasks } from '../../../../src/provider/work/tasks.ts';
import type { Instance, Registry } from '../../../../src/registry/registry.ts';
import { listening, portOf } from '../../../support/listening.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

const GRACE_MS = 10_000;

/** The part of it that the trace needs. */
const RESERVE_MS = 2_000;

/** How much later a drain sees the deadline, and how long clients get to take leave after it. */
const TICK_MS = 10;
const GOODBYE_MS = 50;

/** Longest time that an offline takes, whatever happens, when the event loop does not stand still. */
const LONGEST_MS = GRACE_MS - RESERVE_MS + TICK_MS + GOODBYE_MS;

/** How long a registry takes to write an entry, and a new instance to warm up. */
const REGISTER_MS = 200;
const WARMUP_MS = 1_000;

/** Wait for servers until the plugin registers one, and interval of checks whether it listens. */
const SETTLE_MS = 250;

/** How the registry takes a deregistration. */
const REGISTRIES = ['confirms', 'fails', 'hangs', 'still lists', 'cannot be read'] as const;

/** How a consumer takes a GoAway. */
const MANNERS = [
  'is idle',
  'has nobody else',
  'stays busy',
  'hangs',
  'answers nonsense',
  'hangs up',
  'refuses',
] as const;

type Manner = (typeof MANNERS)[number];

const ANSWERS: Record<Exclude<Manner, 'refuses'>, Parameters<typeof createServer>[1]> = {
  'is idle': (_, response) =>
    response.end(
      encodeAck({ isolated: true, outstanding: 0 }) + encodeIdle({ idle: true, addresses: ['192.0.2.1:1'] }),
    ),
  'has nobody else': (_, response) => response.write(encodeAck({ isolated: true, outstanding: 0, others: 0 })),
  'stays busy': (_, response) => response.write(encodeAck({ isolated: true, outstanding: 1 })),
  hangs: () => {},
  'answers nonsense': (_, response) => response.end('{"isolated":"perhaps"}\n'),
  'hangs up': (request) => request.socket.destroy(),
};

const servers: Server[] = [];
/** Nobody listens on port 1. */
const ports = { refuses: 1 } as Record<Manner, number>;

beforeAll(async () => {
  for (const [manner, handler] of Object.entries(ANSWERS)) {
    const server = createServer(handler);
    servers.push(server);
    await listening(server);
    ports[manner as Manner] = portOf(server);
  }
});
afterAll(() => {
  for (const server of servers) server.close().closeAllConnections();
});

function registryThat(
  how: (typeof REGISTRIES)[number],
  entries: Map<string, Instance>,
  clock: SimulatedClock,
): Registry {
  let asked = false;
  /** A removal awaits what is being written, as the contract says. */
  let writing = Promise.resolve();
  return {
    type: 'memory',
    address: '',
    capabilities: { push: true, lagMs: 0, expires: false },
    register: (instance) => {
      writing = sleep(clock, REGISTER_MS).then(() => {
        asked = false;
        entries.set(instance.instanceId, instance);
      });
      return writing;
    },
    deregister: async ({ instanceId }) => {
      await writing;
      asked = true;
      if (how === 'fails') throw new Error('no');
      if (how === 'hangs') await new Promise(() => {});
      if (how !== 'still lists') entries.delete(instanceId);
    },
    instances: async () => {
      if (asked && how === 'cannot be read') throw new Error('no');
      return [...entries.values()];
    },
    watch: async () => () => {},
    close: async () => {},
  };
}

/** A connection of a client, as far as `Traffic` looks at it. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress = '127.0.0.1';
  readonly #exchange = {
    request: { headers: {} as Record<string, string>, rawHeaders: [] as string[], complete: true },
    response: { headersSent: true },
    socket: this,
    server: {},
  };

  request(headers: Record<string, string>): void {
    this.#exchange.request.headers = headers;
    this.#exchange.request.rawHeaders = Object.entries(headers).flat();
    channel('http.server.request.start').publish(this.#exchange);
  }

  respond(): void {
    channel('http.server.response.finish').publish(this.#exchange);
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    this.emit('close');
  }
}

/** A server of the application, as far as the plugin looks at it. */
class FakeServer extends EventEmitter {
  static #ports = 10_000;
  readonly headersTimeout = 60_000;
  readonly port = FakeServer.#ports++;
  listening = false;

  listen(): void {
    this.listening = true;
    channel('tracing:net.server.listen:asyncEnd').publish({ server: this });
  }

  address(): AddressInfo | null {
    return this.listening ? { address: '127.0.0.1', family: 'IPv4', port: this.port } : null;
  }

  close(): void {
    if (!this.listening) return;
    this.listening = false;
    this.emit('close');
  }

  closeIdleConnections(): void {}
  closeAllConnections(): void {}
}

/** One offline that was asked for. */
interface Asked {
  readonly traceId: string | undefined;
  readonly state: State;
  readonly joined: boolean;
  /** Time for which the event loop stood still before it. */
  readonly stalled: number;
  undone: boolean;
  answer: OfflineReport | Refusal | undefined;
  answeredStalled: number;
}

/** One instance, and what can happen to it. */
class Subject {
  readonly clock = new SimulatedClock();
  readonly records: LifecycleRecord[] = [];
  readonly journal = new Journal(this.clock);
  readonly machine = new Machine(this.journal, this.clock);
  readonly traffic: Traffic;
  readonly attendance: Attendance;
  readonly entries = new Map<string, Instance>();
  readonly servers: FakeServer[] = [];
  readonly asked: Asked[] = [];
  readonly tasks = new Tasks(() => {});
  readonly handlers = new Handlers();
  readonly #busy: FakeSocket[] = [];
  readonly #working: (() => void)[] = [];
  #number = 0;
  #stalled = 0;

  constructor(how: (typeof REGISTRIES)[number]) {
    const { clock, journal, machine } = this;
    journal.subscribe((record) => this.records.push(record));
    const callers = new Callers(clock);
    const entry = new EntryWatch({
      clock,
      log: () => {},
      healthPaths: [],
      entryPorts: [],
      healthFailures: 3,
      keepAliveMs: undefined,
    });
    this.traffic = new Traffic({
      ...entry.hooks,
      clock,
      guard: new Guard(() => {}),
      callers,
      decode: (header) => decodeConsumer(header, undefined),
      isSelf: () => false,
      onListen: (server) => this.attendance.listening(server),
      onNewCaller: (caller) => this.attendance.newCaller(caller),
    });
    const { traffic } = this;
    this.attendance = new Attendance({
      clock,
      guard: new Guard(() => {}),
      log: () => {},
      journal,
      machine,
      traffic,
      callers,
      unmanaged: entry.unmanaged,
      probers: entry.probers,
      arrivals: entry.arrivals,
      curve: new Curve(clock, () => traffic.counts.started),
      tasks: this.tasks,
      handlers: this.handlers,
      registry: registryThat(how, this.entries, clock),
      tryConnection: async () => undefined,
      isStatusFileLeft: () => false,
      instanceId: 'provider-1',
      settings: {
        service: 'provider',
        registries: [new URL('memory:')],
        advertise: undefined,
        port: undefined,
        metadata: {},
        gracePeriodMs: GRACE_MS,
        holdMs: 2_000,
        entry: 'serve',
        entryPorts: [],
        entryCheckMs: 0,
        goawayTimeoutMs: 500,
        sessionNotice: true,
        streamMs: undefined,
        registerDelayMs: 0,
        probe: undefined,
        warmupMs: WARMUP_MS,
        readiness: 'registered',
      },
      trust: { keys: undefined, tls: undefined },
      causes: [],
      preconnect: () => undefined,
      onServing: () => {},
      beforeOnline: async () => {},
      urlOf: (traceId) => traceId,
      afterOffline: async () => undefined,
    });
    this.traffic.start();
  }

  get state(): State {
    return this.machine.state;
  }

  /** Lets happen what leads to `state`. */
  async becomes(state: State): Promise<void> {
    if (state === 'created') return;
    if (state === 'working') return this.work();
    this.listen();
    const online = ['starting', 'registering', 'warming', 'serving'];
    if (!online.includes(state)) {
      await this.advance(SETTLE_MS + REGISTER_MS);
      // With a connection that stands, so that it takes leave of somebody.
      this.request('unmanaged');
      this.respond();
      this.offline();
    }
    for (let passed = 0; this.state !== state && passed < 5_000; passed += 10) await this.advance(10);
  }

  /** The application begins a task, and has something to close. */
  work(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#working.push(resolve);
    this.tasks.add('job', promise);
    this.handlers.add('pool', ({ drained }) => drained);
    this.attendance.working();
  }

  /** The oldest task of the application ends. */
  workEnds(): void {
    this.#working.shift()?.();
  }

  offline(): void {
    const { state } = this;
    const joined = this.attendance.leaving !== undefined;
    const { traceId, done } = this.attendance.leave('SIGTERM');
    const asked: Asked = {
      traceId,
      state,
      joined,
      stalled: this.#stalled,
      undone: false,
      answer: undefined,
      answeredStalled: 0,
    };
    this.asked.push(asked);
    void done.then((answer) => {
      asked.answer = answer;
      asked.answeredStalled = this.#stalled;
    });
  }

  online(): void {
    const { state } = this;
    const leaving = this.attendance.leaving?.handle.traceId;
    if (state === 'notifying' || state === 'draining')
      for (const asked of this.asked) if (asked.traceId === leaving) asked.undone = true;
    void this.attendance.comeBack();
  }

  listen(): void {
    const server = new FakeServer();
    this.servers.push(server);
    server.listen();
  }

  close(): void {
    this.servers.find(({ listening }) => listening)?.close();
  }

  request(from: Manner | 'unmanaged'): void {
    const socket = new FakeSocket();
    this.#busy.push(socket);
    const number = ++this.#number;
    const caller = { service: `consumer-${number % 2}`, instanceId: `consumer-${number}`, generation: 1 };
    socket.request(from === 'unmanaged' ? {} : { [CONSUMER_HEADER]: encodeConsumer({ ...caller, port: ports[from] }) });
  }

  respond(): void {
    this.#busy.pop()?.respond();
  }

  hangUp(): void {
    this.#busy.shift()?.destroy();
  }

  stall(ms: number): void {
    this.#stalled += ms;
    this.clock.stall(ms);
  }

  /** Simulated time passes in small steps, with turns in which real sockets are read. */
  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      await this.clock.advance(Math.min(left, 50));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Lets what was begun run to its end, and tells whether it came to one. */
  async toItsEnd(): Promise<boolean> {
    const isOpen = () => this.asked.some(({ answer }) => answer === undefined);
    for (let passed = 0; isOpen() && passed < GRACE_MS; passed += 50) await this.advance(50);
    return !isOpen();
  }
}

/** States that last: to stop without a session of HTTP/2 takes one turn of the event loop. */
const LASTING = (Object.keys(STATES) as State[]).filter((state) => state !== 'stopping');

const manner = fc.constantFrom(...MANNERS);
const event = fc.oneof(
  fc.record({ what: fc.constant('request' as const), from: fc.oneof(manner, fc.constant('unmanaged' as const)) }),
  fc.record({
    what: fc.constantFrom(
      ...(['respond', 'hangUp', 'offline', 'online', 'listen', 'close', 'work', 'workEnds'] as const),
    ),
  }),
  fc.record({ what: fc.constantFrom('advance' as const, 'stall' as const), ms: fc.integer({ min: 1, max: 2_500 }) }),
);

async function happen(it: Subject, each: typeof event extends fc.Arbitrary<infer E> ? E : never): Promise<void> {
  if (each.what === 'request') it.request(each.from);
  else if (each.what === 'advance') await it.advance(each.ms);
  else if (each.what === 'stall') it.stall(each.ms);
  else it[each.what]();
}

/** Once nothing has happened for a while, what is registered and ready is where the application listens. */
async function expectToBeWhereItListens(it: Subject, how: (typeof REGISTRIES)[number]): Promise<void> {
  if (!isRunning(it.state)) return;
  for (let passed = 0; passed < 4_000; passed += 50) await it.advance(50);
  const listening = it.servers.filter((server) => server.listening).map(({ port }) => port);
  const registered = [...it.entries.values()].map(({ port }) => port);
  if (how !== 'hangs' || listening.length === 0) expect(it.attendance.isReady).toBe(listening.length > 0);
  if (it.attendance.isReady) expect(listening).toContain(registered[0]);
  if (how === 'confirms' && listening.length === 0) expect(registered).toEqual([]);
}

test('with any events in any state, each offline ends within its deadline, in one whole trace, and only listening servers are registered', async () => {
  const results = new Map<string, number>();
  const begun = new Map<State, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...LASTING),
      fc.constantFrom(...REGISTRIES),
      fc.array(event, { maxLength: 10 }),
      async (state, how, events) => {
        const it = new Subject(how);
        try {
          await it.becomes(state);
          begun.set(it.state, (begun.get(it.state) ?? 0) + 1);
          for (const each of events) await happen(it, each);
          await expectToBeWhereItListens(it, how);
          it.offline();
          expect(await it.toItsEnd()).toBe(true);
        } finally {
          it.traffic.stop();
        }

        const started = it.records.filter((record) => record.kind === 'started');
        const ended = it.records.filter((record) => record.kind === 'ended');
        const ids = new Set(started.map((record) => record.ids.spanId));
        expect(started.filter((record) => record.parentSpanId && !ids.has(record.parentSpanId))).toEqual([]);
        expect(ended.map((record) => record.ids.spanId).toSorted()).toEqual([...ids].toSorted());
        const spans = new Map(started.map((record) => [record.ids.spanId, { from: record.at, to: 0 }]));
        for (const record of ended) Object.assign(spans.get(record.ids.spanId) ?? {}, { to: record.at });
        for (const { ids: own, parentSpanId = own.spanId } of started) {
          const [span, parent] = [spans.get(own.spanId), spans.get(parentSpanId)];
          expect(span?.from).toBeGreaterThanOrEqual(parent?.from ?? 0);
          expect(span?.to).toBeLessThanOrEqual(parent?.to ?? 0);
        }
        expect(it.journal.open).toEqual([]);
        expect(it.clock.held).toBe(0);

        // The end is the same however it began: all of it is left, or there was nothing to leave.
        const served = it.servers.length > 0 || it.tasks.begun > 0;
        expect(it.state).toBe(served ? 'stopped' : 'created');
        const late = it.records.filter((record) => record.kind === 'refused' && record.trigger === 'listening').length;
        expect(it.servers.filter((server) => server.listening).length).toBeLessThanOrEqual(late);

        const roots = started.filter((record) => record.work === 'offline').map((record) => record.ids.traceId);
        expect(new Set(roots).size).toBe(roots.length);
        expect(new Set(it.asked.flatMap(({ traceId }) => traceId ?? []))).toEqual(new Set(roots));
        for (const asked of it.asked) {
          const { answer, traceId } = asked;
          results.set(String(answer?.result), (results.get(String(answer?.result)) ?? 0) + 1);
          if (answer === undefined || answer.result === 'refused') {
            expect([asked.state, traceId]).toEqual(['created', undefined]);
            continue;
          }
          expect(isRunning(asked.state) || asked.state === 'working' || asked.joined).toBe(true);
          const own = it.records.filter((record) => 'ids' in record && record.ids?.traceId === traceId);
          const root = own.find((record) => record.kind === 'started');
          const last = own.findLast((record) => record.kind === 'ended');
          expect(last?.kind === 'ended' && last.work).toBe('offline');
          const { planned, acked, failed, result } = answer;
          expect(result === 'cancelled').toBe(asked.undone);
          if (asked.undone) expect(acked + failed).toBeLessThanOrEqual(planned);
          else expect(acked + failed).toBe(planned);
          if (result === 'never_ready') expect(planned).toBe(0);
          if (result === 'success') expect([...it.entries.values(), failed]).toEqual([0]);
          if (asked.joined) continue;
          const took = (last?.at ?? 0) - (root?.at ?? 0);
          expect(took).toBeLessThanOrEqual(LONGEST_MS + asked.answeredStalled - asked.stalled);
        }
      },
    ),
    // Instances that leave before they are ready are rare among the others.
    { numRuns: 300, examples: [['starting', 'confirms', [{ what: 'offline' }]]] },
  );
  // Had one of them never come, nothing would be said about it.
  const expected = ['cancelled', 'incomplete', 'last_instance', 'never_ready', 'refused', 'success', 'timeout'];
  expect([...results.keys()].toSorted()).toEqual(expected);
  expect([...begun.keys()].toSorted()).toEqual(LASTING.toSorted());
});
