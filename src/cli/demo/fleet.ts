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

/** The chain of the demo: each service calls `next`. The gateway stays; the others come and go. */
const CHAIN: readonly Tier[] = [
  { name: 'gateway', next: 'service-a', instances: 1 },
  { name: 'service-a', next: 'service-b', instances: 2 },
  { name: 'service-b', next: 'service-c', instances: 2 },
  { name: 'service-c', next: '', instances: 2 },
];

/** Uncounted requests before the load. Instances take turns, so each gets some. */
const FIRST_REQUESTS = 8;

/** Services that are rolled, in turn. */
const ROLLED = CHAIN.filter((service) => service.name !== 'gateway');

/** Lists the processes where they cannot register themselves. */
export interface Platform {
  /** Address of the processes. */
  readonly host: string;
  /** The process takes requests. `service` is the name by which callers look it up. */
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
  /** The file of grpc-js, which makes every other call. Undefined: all calls go by HTTP. */
  readonly grpcFile?: string | undefined;
  readonly platform?: Platform | undefined;
  readonly message: (text: string) => void;
}

/** A process that takes requests. */
interface Instance {
  readonly member: Member;
  /** The name by which callers look it up. */
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
   * Starts the chain from its end, so that no service calls one that is not there. Then sends the first requests, so that the
   * measurement begins with a running set, after all processes have loaded their code.
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

  /** Starts an instance of the next service, in turn, and makes its oldest one leave. */
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

  /** Ends all running processes. */
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
