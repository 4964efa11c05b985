import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { listedName } from './by-hand.ts';
import { type Counts, Load } from './load.ts';

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

/** Services that are rolled, in turn. */
const ROLLED = CHAIN.filter((service) => service.name !== 'gateway');

/** Interval of readiness probes, in milliseconds. */
const READY_EVERY_MS = 100;

/** Longest wait for a process to be ready or to end, in milliseconds. */
const PATIENCE_MS = 45_000;

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
  readonly platform?: Platform | undefined;
  readonly message: (text: string) => void;
}

interface Member {
  /** The name it is looked up by. */
  readonly listed: string;
  readonly child: ChildProcess;
  readonly port: number;
}

/** One shutdown. */
export interface Shutdown {
  readonly service: string;
  readonly durationMs: number;
}

/** All processes of one set, and the load on them. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #members = new Map<string, Member[]>();
  readonly #shutdowns: Shutdown[] = [];
  #load: Load | undefined;
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

  /** Starts the chain from its end, so that nobody calls a service that is not there. */
  async start(): Promise<void> {
    for (const { name, next, instances } of CHAIN.toReversed())
      this.#members.set(
        name,
        await Promise.all(Array.from({ length: instances }, () => this.#startMember(name, next))),
      );
  }

  startLoad(perSecond: number): void {
    const [gateway] = this.#members.get('gateway') ?? [];
    this.#load = new Load(new URL(`http://${this.#host}:${gateway?.port}/work`));
    this.#load.start(perSecond);
  }

  async stopLoad(): Promise<void> {
    await this.#load?.stop();
  }

  /** Scales one service up by one and down by its oldest; services in turn. */
  async roll(): Promise<void> {
    const { name, next } = ROLLED[this.#rolled++ % ROLLED.length] as Tier;
    const members = this.#members.get(name) ?? [];
    members.push(await this.#startMember(name, next));
    const oldest = members.shift();
    if (oldest === undefined) return;
    const begun = performance.now();
    const ended = once(oldest.child, 'exit', { signal: AbortSignal.timeout(PATIENCE_MS) });
    oldest.child.kill('SIGTERM');
    await Promise.all([ended, this.#options.platform?.leaving(oldest.listed, oldest.port)]);
    this.#shutdowns.push({ service: name, durationMs: performance.now() - begun });
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    await this.#load?.stop();
    const children = [...this.#members.values()].flat().map((member) => member.child);
    await Promise.all(children.map((child) => end(child)));
  }

  get #host(): string {
    return this.#options.platform?.host ?? '127.0.0.1';
  }

  async #startMember(name: string, next: string): Promise<Member> {
    const { byHand, env, message, platform } = this.#options;
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const child = fork(
      fileURLToPath(new URL(`./service.${extension}`, import.meta.url)),
      [name, next, this.#host, ...(byHand === undefined ? [] : [byHand])],
      {
        env: { ...process.env, ...env, OTEL_SERVICE_NAME: name },
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      },
    );
    const control = Promise.withResolvers<number>();
    createInterface({ input: child.stderr as Readable }).on('line', (line) => {
      const [, port] = /control server listens on port (\d+)/.exec(line) ?? [];
      if (port !== undefined) control.resolve(Number(port));
      if (isWorthShowing(line)) message(`${this.#options.name} ${name}: ${line}`);
    });
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const [{ port }] = (await once(child, 'message', { signal })) as [{ port: number }];
    this.#starts++;
    if (byHand === undefined) await isReady(`http://${this.#host}:${await control.promise}/readiness`, signal);
    const listed = byHand === undefined ? name : listedName(name);
    await platform?.ready(listed, port);
    return { listed, child, port };
  }
}

/** Waits as a platform does, before it stops another instance for a new one. @throws Error when it takes too long */
async function isReady(url: string, signal: AbortSignal): Promise<void> {
  while (!(await fetch(url, { signal })).ok) await setTimeout(READY_EVERY_MS);
}

/** The plugin's own lines below a warning are left out. */
function isWorthShowing(line: string): boolean {
  if (!line.startsWith('{')) return line.trim() !== '';
  try {
    return (JSON.parse(line) as { level?: number }).level !== 30;
  } catch {
    return true;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
