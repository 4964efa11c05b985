import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { Collector } from '../../../collector/server/server.ts';
import { JaegerClient } from '../../../src/cli/jaeger-client.ts';
import type { Span, Trace } from '../../../src/trace/model/trace.ts';
import { assess, type Verdict } from '../../../src/trace/model/verdict.ts';
import { embeddedCollector } from '../embedded-collector.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { until } from '../until.ts';
import { appPortOf, controlPortOf, entered, traceIdOf } from './announced.ts';
import type { Child } from './child.ts';
import { LINE, type NodeLine } from './node-lines.ts';
import { ask } from './operator.ts';
import { pluginEnv, registryIn } from './plugin-env.ts';
import { type Children, useChildren } from './use-children.ts';

const APP = new URL('../../fixtures/apps/app.ts', import.meta.url);
const CALLER = new URL('../../fixtures/apps/caller.ts', import.meta.url);

/** The counts of a caller process. */
export interface Counted {
  readonly sent: number;
  readonly failed: number;
  readonly reasons: Readonly<Record<string, number>>;
}

export interface ServiceOptions {
  readonly kind?: string;
  readonly workMs?: number;
  readonly port?: number;
  readonly host?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly line?: NodeLine;
  readonly args?: readonly string[];
  /** Another application than `apps/app.ts`. */
  readonly file?: URL;
}

/** A service process that listens. */
export interface Service {
  readonly child: Child;
  readonly port: number;
}

/** A caller process that sends. */
export interface Caller {
  readonly child: Child;
  /** Stops sending and lives on. */
  pause(): Promise<void>;
  /** Stops sending, waits for the answers and resolves with the counts. */
  stop(): Promise<Counted>;
}

/** A registry directory, a spool, a collector and processes with the plugin, for one test. */
export class World {
  readonly #folder = new ScratchFolder();
  readonly directory = this.#folder.path;
  readonly children: Children;
  readonly collector: Collector;
  readonly jaeger: JaegerClient;

  constructor(children: Children, collector: Collector) {
    this.children = children;
    this.collector = collector;
    this.jaeger = new JaegerClient(new URL(collector.queryUrl));
  }

  get registryUrl(): string {
    return registryIn(this.directory);
  }

  get spoolDir(): string {
    return join(this.directory, 'spool');
  }

  /**
   * Environment that switches the plugin on. The hold time is two seconds instead of ten, because most tests only wait for it. A consumer
   * has two seconds for the answer to a GoAway instead of half a one: several tests at a time may keep it from the processor for a second.
   */
  env(name: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return pluginEnv(this.directory, {
      LOSSLESS_SERVICE: name,
      LOSSLESS_HOLD_MS: '2000',
      LOSSLESS_GOAWAY_TIMEOUT_MS: '2000',
      LOSSLESS_JAEGER_URL: this.collector.queryUrl,
      OTEL_EXPORTER_OTLP_ENDPOINT: this.collector.otlpUrl,
      ...more,
    });
  }

  /** Starts a service and waits until it is registered. */
  async service(name: string, options: ServiceOptions = {}): Promise<Service> {
    const {
      kind = 'http',
      workMs = 5,
      port = 0,
      host = '127.0.0.1',
      env = {},
      line = LINE,
      args = [],
      file = APP,
    } = options;
    const child = this.children.node(file, {
      line,
      env: this.env(name, env),
      args: [kind, workMs, port, host, ...args],
    });
    const listening = await appPortOf(child);
    await entered(child, 'warming');
    return { child, port: listening };
  }

  /** Starts a process that calls `url` `rate` times a second, and waits for its first answer. */
  async caller(
    url: string,
    rate: number,
    options: {
      readonly name?: string;
      readonly client?: string;
      readonly env?: Readonly<Record<string, string>>;
      readonly line?: NodeLine;
    } = {},
  ): Promise<Caller> {
    const { name = 'caller', client = 'fetch', env = {}, line = LINE } = options;
    const child = this.children.node(CALLER, { line, env: this.env(name, env), args: [url, rate, client] });
    await child.sees(/answered/);
    return {
      child,
      pause: async () => {
        child.say('pause');
        await child.sees(/paused/);
      },
      stop: async () => {
        child.say('stop');
        const [, counted = ''] = await child.sees(/counted (.*)\n/);
        return JSON.parse(counted) as Counted;
      },
    };
  }

  /** Sends a signal, by default SIGTERM, and waits for the end. */
  async leave(
    { child }: Service,
    signal: NodeJS.Signals = 'SIGTERM',
  ): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
    child.signal(signal);
    return child.ends();
  }

  /** The id of the trace that a process has announced. */
  traceId({ child }: Service): string {
    const found = traceIdOf(child);
    if (found === undefined) throw new Error(`no trace was announced\n${child.stderr}`);
    return found;
  }

  /** The trace of a shutdown, once its root and every consumer's span are there. */
  async trace(service: Service): Promise<Trace & { readonly verdict: Verdict }> {
    const id = this.traceId(service);
    let trace: Trace | undefined;
    await until(async () => {
      trace = await this.jaeger.trace(id).catch(() => undefined);
      return trace !== undefined && assess(trace).whole;
    }).catch(() => {});
    if (trace === undefined) throw new Error(`trace ${id} never arrived`);
    return { ...trace, verdict: assess(trace) };
  }

  /** Number of requests that a service has begun to serve, by `/metrics`. */
  async served(service: Service): Promise<number> {
    const { text } = await ask(await this.controlPort(service), '/metrics');
    const counts = [...text.matchAll(/^lossless_requests_total\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Resolves when a service has begun to serve this many requests: a caller's first answers may all come from other instances. */
  async called(service: Service, times = 1): Promise<void> {
    await until(async () => (await this.served(service)) >= times);
  }

  /** The control port of a process. */
  async controlPort(service: Service): Promise<number> {
    const port = await controlPortOf(service.child);
    return port;
  }

  /** Ends the processes first, because an ending process may write into the folder. */
  async close(): Promise<void> {
    await this.children.destroy();
    await this.collector.close();
    this.#folder.remove();
  }
}

/** Spans of one kind of work. */
export function spansOf(trace: Trace, work: string): readonly Span[] {
  return trace.spans.filter((span) => span.name === `lossless.${work}`);
}

/** Call once at the top of a test file: each test gets its own world. */
export function useWorld(): () => World {
  const children = useChildren();
  let world: World | undefined;
  beforeEach(async () => {
    world = new World(children, await embeddedCollector());
  });
  afterEach(() => world?.close());
  return () => world as World;
}
