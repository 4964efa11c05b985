import { listedName } from './by-hand.ts';
import type { DemoSet, Shutdown } from './demo-set.ts';
import { type Counts, Load } from './load.ts';
import { Member } from './member.ts';

/** One service of the chain. */
interface Tier {
  readonly name: string;
  readonly next: string;
  readonly instances: number;
}

/** The chain of the demo: who calls whom. The gateway stays; the others come and go. */
const CHAIN: readonly Tier[] = [
  { name: 'gateway', next: 'service-a', instances: 1 },
  { name: 'service-a', next: 'service-b', instances: 2 },
  { name: 'service-b', next: 'service-c', instances: 2 },
  { name: 'service-c', next: '', instances: 2 },
];

/** Requests before those that are counted: each instance has had some, as they take turns. */
const FIRST_REQUESTS = 8;

/** Services that are rolled, in turn. */
const ROLLED = CHAIN.filter((service) => service.name !== 'gateway');

/** What lists the processes, where they do not register by themselves. */
export interface Platform {
  /** Address of the processes. */
  readonly host: string;
  /** The process may be sent to. `service` is the name it is looked up by. */
  ready(service: string, port: number): Promise<void>;
  /** The process is told to leave. */
  leaving(service: string, port: number): Promise<void>;
}

/** One way of running the chain. */
export interface FleetOptions {
  /** `base` or `gray`. */
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** Registry of the hand-written set; undefined for the one with the plugin. */
  readonly byHand: string | undefined;
  /** The file of grpc-js, by which every other call goes. Undefined: all go by HTTP. */
  readonly grpcFile?: string | undefined;
  readonly platform?: Platform | undefined;
  readonly message: (text: string) => void;
}

/** A process that may be sent to. */
interface Instance {
  readonly member: Member;
  /** The name it is looked up by. */
  readonly listed: string;
  readonly port: number;
}

/** All processes of one set, and the load on them. */
export class Fleet implements DemoSet {
  readonly #options: FleetOptions;
  readonly #instances = new Map<string, Instance[]>();
  /** Every process that was started, ready or not. */
  readonly #members = new Set<Member>();
  readonly #shutdowns: Shutdown[] = [];
  #load: Load | undefined;
  #isClosed = false;
  #rolled = 0;
  #starts = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  get counts(): Counts {
    return this.#load?.counts ?? { requests: 0, failed: 0, reasons: {} };
  }

  get shutdowns(): readonly Shutdown[] {
    return this.#shutdowns;
  }

  /** Processes started. */
  get starts(): number {
    return this.#starts;
  }

  /**
   * Starts the chain from its end, so that nobody calls a service that is not there, and sends the first requests: what is
   * measured is a set that runs, in which single instances come and go, and not that fourteen processes load their code at once.
   */
  async start(): Promise<void> {
    for (const { name, next, instances } of CHAIN.toReversed())
      this.#instances.set(
        name,
        await Promise.all(Array.from({ length: instances }, () => this.#startInstance(name, next))),
      );
    const [gateway] = this.#instances.get('gateway') ?? [];
    this.#load = new Load(new URL(`http://${this.#host}:${gateway?.port}/work`));
    await this.#load.warmUp(FIRST_REQUESTS);
  }

  startLoad(perSecond: number): void {
    this.#load?.start(perSecond);
  }

  async stopLoad(): Promise<void> {
    await this.#load?.stop();
  }

  /** Scales one service up by one and down by its oldest; services in turn. */
  async roll(): Promise<void> {
    const { name, next } = ROLLED[this.#rolled++ % ROLLED.length] as Tier;
    const instances = this.#instances.get(name) ?? [];
    instances.push(await this.#startInstance(name, next));
    const oldest = instances.shift();
    if (oldest === undefined) return;
    const begun = performance.now();
    await Promise.all([oldest.member.leave(), this.#options.platform?.leaving(oldest.listed, oldest.port)]);
    this.#shutdowns.push({ service: name, durationMs: performance.now() - begun });
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#load?.stop();
    await Promise.all([...this.#members].map((member) => member.kill()));
  }

  get #host(): string {
    return this.#options.platform?.host ?? '127.0.0.1';
  }

  async #startInstance(name: string, next: string): Promise<Instance> {
    const { byHand, env, grpcFile, message, name: set, platform } = this.#options;
    if (this.#isClosed) throw new Error(`${set} ${name} is not started any more`);
    const member = new Member({
      program: 'service',
      name: `${set} ${name}`,
      args: [name, next, this.#host, byHand ?? '', grpcFile ?? ''],
      env: { ...env, OTEL_SERVICE_NAME: name },
      controlHost: byHand === undefined ? this.#host : undefined,
      message,
    });
    this.#members.add(member);
    const port = await member.ready();
    this.#starts++;
    const listed = byHand === undefined ? name : listedName(name);
    await platform?.ready(listed, port);
    return { member, listed, port };
  }
}
