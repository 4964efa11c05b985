import { channel } from 'node:diagnostics_channel';
import { EventEmitter, once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Guard } from '../../../src/guard.ts';
import { Journal } from '../../../src/lifecycle/journal.ts';
import { Machine } from '../../../src/lifecycle/machine.ts';
import type { LifecycleRecord } from '../../../src/lifecycle/records.ts';
import { encodeAck, encodeIdle } from '../../../src/protocol/goaway.ts';
import { CONSUMER_HEADER, decodeConsumer, encodeConsumer } from '../../../src/protocol/header.ts';
import { Callers } from '../../../src/provider/callers.ts';
import { Curve } from '../../../src/provider/curve.ts';
import { Offline, type OfflineReport } from '../../../src/provider/offline.ts';
import { Registration } from '../../../src/provider/registration.ts';
import { Traffic } from '../../../src/provider/traffic.ts';
import type { Instance, Registry } from '../../../src/registry/registry.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const GRACE_MS = 10_000;

/** How the registry takes a deregistration. */
const REGISTRIES = ['confirms', 'fails', 'hangs', 'still lists', 'cannot be read'] as const;

/** How a consumer takes a GoAway. */
const MANNERS = ['is idle', 'stays busy', 'hangs', 'answers nonsense', 'hangs up', 'refuses'] as const;

type Manner = (typeof MANNERS)[number];

const ANSWERS: Record<Exclude<Manner, 'refuses'>, Parameters<typeof createServer>[1]> = {
  'is idle': (_, response) =>
    response.end(encodeAck({ isolated: true, outstanding: 0 }) + encodeIdle({ idle: true, addresses: [] })),
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
    const server = createServer(handler).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    ports[manner as Manner] = (server.address() as AddressInfo).port;
  }
});
afterAll(() => {
  for (const server of servers) server.close().closeAllConnections();
});

function registryThat(how: (typeof REGISTRIES)[number]): Registry {
  const entries = new Map<string, Instance>();
  let asked = false;
  return {
    type: 'memory',
    address: '',
    capabilities: { push: true, lagMs: 0, expires: false },
    register: async (instance) => void entries.set(instance.instanceId, instance),
    deregister: async ({ instanceId }) => {
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

/** One instance that is registered and warming, and what can happen to it. */
class Subject {
  readonly clock = new SimulatedClock();
  readonly records: LifecycleRecord[] = [];
  readonly journal = new Journal(this.clock);
  readonly machine = new Machine(this.journal, this.clock);
  readonly traffic: Traffic;
  readonly #callers = new Callers(this.clock);
  readonly #registration: Registration;
  readonly #registry: Registry;
  readonly #busy: FakeSocket[] = [];
  #offline: Offline | undefined;
  #number = 0;
  stalled = 0;
  undone = false;
  report: OfflineReport | undefined;

  constructor(how: (typeof REGISTRIES)[number]) {
    this.journal.subscribe((record) => this.records.push(record));
    this.#registry = registryThat(how);
    this.#registration = new Registration(this.#registry, this.clock);
    this.traffic = new Traffic({
      clock: this.clock,
      guard: new Guard(() => {}),
      callers: this.#callers,
      decode: (header) => decodeConsumer(header, undefined),
      onListen: () => {},
      onNewCaller: (entry) => this.#offline?.tell(entry),
    });
    this.traffic.start();
  }

  async register(): Promise<void> {
    const instance = { ...this.#identity, host: '127.0.0.1', port: 1, scheme: 'http', weight: 100 } as const;
    await this.#registration.write({ ...instance, registeredAt: 0, metadata: {} });
    await this.#registration.confirm();
    for (const trigger of ['listening', 'probed', 'registered'] as const) this.machine.move(trigger);
  }

  get #identity() {
    return { service: 'provider', instanceId: 'provider-1', generation: 1 };
  }

  /** As the plugin does it: one that runs is joined. */
  offline(): void {
    if (this.#offline !== undefined) return;
    const { clock, journal, machine, traffic } = this;
    this.#offline = new Offline(
      {
        clock,
        journal,
        machine,
        traffic,
        callers: this.#callers,
        curve: new Curve(clock, () => traffic.started),
        registry: this.#registry,
        registration: this.#registration,
        identity: () => this.#identity,
        settings: {
          gracePeriodMs: GRACE_MS,
          quietMs: 300,
          holdMs: 2_000,
          goawayTimeoutMs: 500,
          goawayAttempts: 3,
          secret: undefined,
        },
      },
      'SIGTERM',
      [],
    );
    void this.#offline.run().then((report) => {
      this.report = report;
      if (report.result !== 'cancelled') machine.move('stopped', this.#offline?.ids);
    });
  }

  /** As the plugin does it. */
  online(): void {
    if (!this.machine.move('online', this.#offline?.ids)) return;
    this.undone = true;
    this.#offline?.cancel();
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
    this.stalled += ms;
    this.clock.stall(ms);
  }

  /** Simulated time passes in small steps, with turns in which real sockets are read. */
  async advance(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      await this.clock.advance(50);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Lets it run to its end, and tells whether it came to one. */
  async toItsEnd(): Promise<boolean> {
    for (let passed = 0; this.report === undefined && passed < 2 * GRACE_MS; passed += 50) await this.advance(50);
    return this.report !== undefined;
  }
}

const manner = fc.constantFrom(...MANNERS);
const event = fc.oneof(
  fc.record({ what: fc.constant('request' as const), from: fc.oneof(manner, fc.constant('unmanaged' as const)) }),
  fc.record({ what: fc.constantFrom('respond' as const, 'hangUp' as const, 'offline' as const, 'online' as const) }),
  fc.record({ what: fc.constantFrom('advance' as const, 'stall' as const), ms: fc.integer({ min: 1, max: 2_500 }) }),
);

test('whatever happens, an offline ends within its deadline, in one whole trace and a state that is meant', async () => {
  const results = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...REGISTRIES),
      fc.array(event, { maxLength: 6 }),
      fc.array(event, { maxLength: 12 }),
      async (how, before, during) => {
        const it = new Subject(how);
        const happen = async (each: (typeof before)[number]) => {
          if (each.what === 'request') it.request(each.from);
          else if (each.what === 'advance') await it.advance(each.ms);
          else if (each.what === 'stall') it.stall(each.ms);
          else it[each.what]();
        };
        try {
          await it.register();
          for (const each of before) if (each.what !== 'offline') await happen(each);
          const begun = it.clock.now();
          it.offline();
          it.stalled = 0;
          for (const each of during) await happen(each);
          expect(await it.toItsEnd()).toBe(true);
          expect(it.clock.now() - begun).toBeLessThanOrEqual(Math.max(GRACE_MS, 12 * 2_500) + it.stalled);
        } finally {
          it.traffic.stop();
        }

        const started = it.records.filter((record) => record.kind === 'started');
        const ended = it.records.filter((record) => record.kind === 'ended');
        const roots = started.filter((record) => record.parentSpanId === undefined);
        expect(roots.map((record) => record.work)).toEqual(['offline']);
        const [root] = roots;
        const ids = new Set(started.map((record) => record.ids.spanId));
        expect(started.filter((record) => record.parentSpanId && !ids.has(record.parentSpanId))).toEqual([]);
        expect(new Set(started.map((record) => record.ids.traceId))).toEqual(new Set([root?.ids.traceId]));
        expect(ended.map((record) => record.ids.spanId).sort()).toEqual([...ids].sort());
        expect(ended.at(-1)?.work).toBe('offline');
        expect(it.journal.open).toEqual([]);
        expect(it.clock.held).toBe(0);

        const took = (ended.at(-1)?.at ?? 0) - (root?.at ?? 0);
        expect(took).toBeLessThanOrEqual(GRACE_MS + it.stalled);
        const { result, planned, acked, failed } = it.report as OfflineReport;
        expect(result === 'cancelled').toBe(it.undone);
        expect(it.machine.state).toBe(it.undone ? 'starting' : 'stopped');
        if (it.undone) expect(acked + failed).toBeLessThanOrEqual(planned);
        else expect(acked + failed).toBe(planned);
        if (result === 'success') expect([how, failed]).toEqual(['confirms', 0]);
        results.set(result, (results.get(result) ?? 0) + 1);
      },
    ),
    { numRuns: 300 },
  );
  // Had one of them never come, nothing would be said about it.
  expect([...results.keys()].sort()).toEqual(['cancelled', 'incomplete', 'success', 'timeout']);
});
