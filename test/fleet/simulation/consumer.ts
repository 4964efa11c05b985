import { Consumer } from '../../../src/consumer/consumer.ts';
import type { Endpoint } from '../../../src/consumer/directory/endpoint.ts';
import type { Service } from '../../../src/consumer/directory/service.ts';
import type { Clock } from '../../../src/lifecycle/clock.ts';
import { decodeGoAway } from '../../../src/protocol/goaway.ts';
import type { Ack, Caller, Idle } from '../../../src/protocol/identity.ts';
import type { CallOptions } from '../../../src/provider/offline/goaway.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import type { Random } from '../random.ts';
import type { Counts } from './counts.ts';
import type { SimulatedInstance } from './instance.ts';
import type { Network } from './network.ts';

/** Time within which consumers begin to send, in milliseconds: those of a real fleet are not in step. */
const BEGINS_WITHIN_MS = 30_000;

export interface ConsumerOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly random: Random;
  readonly counts: Counts;
  readonly registry: Registry;
  readonly number: number;
  readonly service: string;
  readonly perSecond: number;
  readonly warmupMs: number;
  /** The current instance at an address. */
  readonly at: (address: string) => SimulatedInstance | undefined;
}

/** A process that calls one service: the product's consumer, whose requests cross the simulated network. */
export class SimulatedConsumer {
  readonly #options: ConsumerOptions;
  readonly #consumer: Consumer;
  /** Instances and generations whose GoAway it has acked while it had another instance. */
  readonly #acked = new Map<string, number>();
  #service: Service | undefined;

  constructor(options: ConsumerOptions) {
    const { clock, registry, warmupMs } = options;
    this.#options = options;
    this.#consumer = new Consumer({
      registry,
      clock,
      log: () => {},
      header: async () => undefined,
      services: [],
      warmupMs,
    });
  }

  get number(): number {
    return this.#options.number;
  }

  /** Its name in requests. Its number is its address. */
  get caller(): Caller {
    return { service: 'caller', instanceId: `caller-${this.number}`, generation: 1, port: 1 };
  }

  /** Reads the list, and begins to send. */
  async start(): Promise<void> {
    const { clock, perSecond, random, service } = this.#options;
    this.#service = await this.#consumer.route(`http://${service}`);
    const everyMs = 1_000 / perSecond;
    let due = clock.now() + random.next() * BEGINS_WITHIN_MS;
    const next = (): void => {
      clock.after(due - clock.now(), () => {
        due += everyMs;
        this.#send();
        next();
      });
    };
    next();
  }

  stop(): Promise<void> {
    return this.#consumer.uninstall();
  }

  /** Takes a GoAway, as the control server does. */
  receive({ body }: CallOptions): { readonly ack: Ack; readonly idle: Promise<Idle> } {
    const { at, network } = this.#options;
    const goAway = decodeGoAway(body);
    const { outstanding, others, refreshed, idle } = this.#consumer.goAway(goAway);
    const { address, generation } = goAway.provider;
    if (others !== 0) this.#acked.set(address, generation);
    return {
      ack: { isolated: true, outstanding, ...(others !== undefined && { others }) },
      idle: refreshed
        .then(() => idle)
        .then((addresses) => {
          network.bring(this.number, () => at(address)?.disconnect(this.number));
          return { idle: true, addresses };
        }),
    };
  }

  /** @param tried instances that refused this request */
  #send(tried?: ReadonlySet<Endpoint>): void {
    const { at, counts, network } = this.#options;
    const endpoint = this.#service?.pick(tried);
    if (endpoint === undefined) return void counts.failed(network.isCut(this.number));
    if (tried === undefined) counts.sent++;
    if (endpoint.instance.generation <= (this.#acked.get(endpoint.address) ?? 0)) this.#pickedAfterAck(endpoint);
    const { connections } = endpoint;
    connections.begin();
    const ended = (): void => connections.end();
    const instance = at(endpoint.address);
    // Without a connection the consumer is refused, and the request goes to another instance.
    const refused = (): void => {
      ended();
      this.#service?.rest(endpoint);
      this.#send(new Set([...(tried ?? []), endpoint]));
    };
    const isConnected = instance?.isConnected(this.number) === true;
    network.bring(this.number, () => {
      if (instance?.takes(this.number)) return void instance.serve(this, () => network.bring(this.number, ended));
      if (!isConnected) return refused();
      counts.failed(network.isCut(this.number));
      ended();
    });
  }

  /** Counts a request to an isolated instance; without another instance it is allowed. */
  #pickedAfterAck(endpoint: Endpoint): void {
    const { counts } = this.#options;
    if ((this.#service?.othersThan([endpoint]) ?? 0) === 0) counts.panic++;
    else counts.afterAck(endpoint.address);
  }
}
