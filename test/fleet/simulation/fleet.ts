import type { Clock } from '../../../src/lifecycle/clock.ts';
import { hostPort } from '../../../src/protocol/host-port.ts';
import { Random } from '../random.ts';
import { callOver } from './call.ts';
import { SimulatedConsumer } from './consumer.ts';
import { Counts } from './counts.ts';
import { leaveAll, SimulatedInstance } from './instance.ts';
import { Network, type Weather } from './network.ts';
import { LAGS, type Lag, ServiceList } from './registry.ts';

/** The parts of a fleet. */
export interface Shape {
  readonly seed: number;
  /** Instances of all services together. */
  readonly instances: number;
  readonly services: number;
  /** Consumers of the first service, and of each other one. */
  readonly consumers: number;
  readonly consumersOfOthers: number;
  /** Registry of the first service, by its name in the table of lags. The others have random ones. */
  readonly registry: string;
  /** Requests a second of each consumer. */
  readonly perSecond: number;
  readonly warmupMs: number;
  /** A release waits as long as its registry lags before old instances leave. */
  readonly waits: boolean;
  readonly weather: Weather;
}

/** Consumers of all services together. */
export function allConsumers({ consumers, consumersOfOthers, services }: Shape): number {
  return consumers + (services - 1) * consumersOfOthers;
}

/** How often an instance has a consumer. */
export function pairsOf(shape: Shape): number {
  return Math.floor(shape.instances / shape.services) * allConsumers(shape);
}

/** A day on which a packet in a thousand is lost, and a consumer in a hundred is cut off once. */
export const WEATHER: Weather = { delayMs: [0.2, 5], loss: 0.001, cut: 0.01, cutMs: 8_000, cutWithinMs: 60_000 };

/** Weights of instances. */
const WEIGHTS = [50, 100, 200];

/** Part of a service's instances that is released at a time. */
const BATCH = 1 / 4;

/** Time between two batches, and between the beginnings of two releases, in milliseconds. */
const PAUSE_MS = 1_000;

/** Age of a standing instance, in milliseconds: longer than any registry lags. */
const STANDS_MS = 3_600_000;

/** One service of a fleet. */
export interface FleetService {
  readonly name: string;
  readonly lag: Lag;
  readonly list: ServiceList;
  /** Instances that serve now. */
  instances: readonly SimulatedInstance[];
  readonly consumers: readonly SimulatedConsumer[];
}

/** Services, their instances and their consumers, on one clock. */
export class Fleet {
  readonly clock: Clock;
  readonly counts = new Counts();
  readonly services: readonly FleetService[];
  readonly random: Random;
  readonly #network: Network;
  readonly #waits: boolean;
  readonly #byAddress = new Map<string, SimulatedInstance>();
  /** By their names, which are their addresses. */
  readonly #consumers = new Map<string, SimulatedConsumer>();
  #instances = 0;
  #ids = 0;

  constructor(clock: Clock, shape: Shape) {
    this.clock = clock;
    this.random = new Random(shape.seed);
    this.#waits = shape.waits;
    this.#network = new Network(clock, this.random, shape.weather);
    const each = Math.floor(shape.instances / shape.services);
    this.services = this.random.times(shape.services, (n) => this.#service(n, each, shape));
  }

  /** Registers all instances. */
  async register(): Promise<void> {
    await Promise.all(this.services.flatMap(({ instances }) => instances.map((instance) => instance.start())));
  }

  /** Lets all consumers begin to send. */
  async call(): Promise<void> {
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.start()));
  }

  /** Replaces every instance of every service by a new one. */
  async release(): Promise<void> {
    this.#network.cut(this.#consumers.size, this.clock.now());
    await Promise.all(
      this.services.map(async (service, n) => {
        await this.#pause(n * PAUSE_MS);
        await this.#releaseOne(service);
      }),
    );
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#consumers.values()].map((consumer) => consumer.stop()));
  }

  async #releaseOne(service: FleetService): Promise<void> {
    const old = service.instances;
    const size = Math.max(1, Math.ceil(old.length * BATCH));
    for (let from = 0; from < old.length; from += size) {
      const leaving = old.slice(from, from + size);
      const joining = leaving.map(({ instance }) =>
        this.#instance(service.name, service.list, instance.weight, this.clock.wall()),
      );
      await Promise.all(joining.map((instance) => instance.start()));
      service.instances = [...service.instances, ...joining];
      if (this.#waits) await this.#pause(service.lag.lagMs[1]);
      await leaveAll(leaving, this.clock, this.random);
      // The knowledge of a process ends with it.
      for (const { instance } of leaving) this.#byAddress.delete(hostPort(instance));
      service.instances = service.instances.filter((instance) => !instance.hasEnded);
      await this.#pause(PAUSE_MS);
    }
  }

  #service(number: number, size: number, shape: Shape): FleetService {
    const name = `service-${number}`;
    const first = LAGS.find((known) => known.name === shape.registry);
    const lag = number === 0 && first !== undefined ? first : this.random.one(LAGS);
    const list = new ServiceList(this.clock, lag);
    const registeredAt = this.clock.wall() - STANDS_MS;
    const instances = this.random.times(size, () => this.#instance(name, list, this.random.one(WEIGHTS), registeredAt));
    const count = number === 0 ? shape.consumers : shape.consumersOfOthers;
    return { name, lag, list, instances, consumers: this.random.times(count, () => this.#consumer(name, list, shape)) };
  }

  #consumer(service: string, list: ServiceList, { perSecond, warmupMs }: Shape): SimulatedConsumer {
    const consumer = new SimulatedConsumer({
      clock: this.clock,
      network: this.#network,
      random: this.random,
      counts: this.counts,
      registry: list.reader(this.random.next()),
      number: this.#consumers.size,
      service,
      perSecond,
      warmupMs,
      at: (address) => this.#byAddress.get(address),
    });
    this.#consumers.set(consumer.name, consumer);
    return consumer;
  }

  #instance(service: string, list: ServiceList, weight: number, registeredAt: number): SimulatedInstance {
    const n = ++this.#instances;
    const host = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    const instance = new SimulatedInstance({
      clock: this.clock,
      hex: (bytes) => (++this.#ids).toString(16).padStart(2 * bytes, '0'),
      counts: this.counts,
      registry: list.writer,
      instance: {
        service,
        instanceId: `${service}-${n}`,
        generation: registeredAt,
        host,
        port: 8080,
        scheme: 'http',
        weight,
        registeredAt,
        metadata: {},
      },
      call: (options) => {
        this.counts.calls++;
        return callOver(this.#network, this.#consumers.get(options.address) as SimulatedConsumer, options);
      },
    });
    this.#byAddress.set(hostPort(instance.instance), instance);
    return instance;
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.clock.after(ms, resolve));
  }
}
