import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Handler } from './handler.ts';
import { Store } from './store.ts';

export interface CollectorOptions {
  readonly host: string;
  /** Ports; OTLP, queries, the page and metrics are answered on each. 0 takes a free one. */
  readonly ports: readonly number[];
  /** File of the database, or `:memory:`. */
  readonly database: string;
  /** Traces are removed this many milliseconds after their last span arrived. */
  readonly maxAgeMs: number;
  /** Most bytes of the database; the traces that arrived first make room. */
  readonly maxBytes: number;
}

/** A collector that runs. */
export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly otlpUrl: string;
  /** For clients of Jaeger's query API, and for a browser. */
  readonly queryUrl: string;
  close(): Promise<void>;
}

/** Bounds on slow clients, in milliseconds: for the headers, for the whole request, and without any byte in either direction. */
const SLOWEST = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 5_000 };
const IDLE_MS = 60_000;

/** Most connections at a time: one for each of many consumers that send. */
const MOST_CONNECTIONS = 4_096;

/** Time between two looks at what the store holds, in milliseconds: traces get old though nothing arrives. */
const BOUND_EVERY_MS = 1_000;

/** Starts a collector for one machine: OTLP/HTTP JSON in; Jaeger's query API, a page and metrics out. */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const store = new Store({ path: options.database, maxAgeMs: options.maxAgeMs, maxBytes: options.maxBytes });
  const handler = new Handler(store, isLoopback(options.host));
  const servers: Server[] = [];
  try {
    for (const port of options.ports) servers.push(await listen(handler, options.host, port));
  } catch (thrown) {
    for (const server of servers) server.close();
    store.close();
    throw thrown;
  }
  const bounding = setInterval(() => bound(store), BOUND_EVERY_MS).unref();
  const [otlpUrl = '', queryUrl = otlpUrl] = servers.map((server) => urlOf(server, options.host));
  return {
    otlpUrl,
    queryUrl,
    async close() {
      clearInterval(bounding);
      await Promise.all(servers.map(stop));
      store.close();
    },
  };
}

function bound(store: Store): void {
  try {
    store.bound();
  } catch {
    // The disk is full, or gone: whoever sends spans is told.
  }
}

function listen(handler: Handler, host: string, port: number): Promise<Server> {
  const server = createServer(SLOWEST, (request, response) => void handler.handle(request, response));
  server.setTimeout(IDLE_MS);
  server.maxConnections = MOST_CONNECTIONS;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

/** Whether an address to listen on is reached from this machine alone. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

function stop(server: Server): Promise<unknown> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  return closed;
}

function urlOf(server: Server, host: string): string {
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${(server.address() as AddressInfo).port}`;
}
