import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { DatabaseOptions } from './database.ts';
import { Handler } from './handler.ts';
import { Store } from './store.ts';

export interface CollectorOptions extends DatabaseOptions {
  readonly host: string;
  /** Ports; OTLP, queries, the page and metrics are answered on each. 0 takes a free one. */
  readonly ports: readonly number[];
  /** File of the database, or `:memory:`. */
  readonly database: string;
  /** Traces are removed this many milliseconds after their last span arrived. */
  readonly maxAgeMs: number;
  /** Most bytes of the database; the traces that arrived first make room. */
  readonly maxBytes: number;
  /** Where a Jaeger shows the same traces: the page links to it. Default: nowhere. */
  readonly jaegerUrl?: URL | undefined;
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

/** Most connections of a port at a time: one for each of many consumers that send. */
const MOST_CONNECTIONS = 4_096;

/** Time between two looks at what the store holds, in milliseconds: traces get old, and shutdowns are over, though nothing arrives. */
const TICK_MS = 1_000;

/** Starts a collector for one machine: OTLP/HTTP in; Jaeger's query API, a page and metrics out. */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const store = new Store({ ...options, path: options.database });
  const handler = new Handler(store, isLoopback(options.host), options.jaegerUrl?.href.replace(/\/+$/, '') ?? '');
  const servers: Server[] = [];
  try {
    for (const port of options.ports) servers.push(await listen(handler, options.host, port));
  } catch (thrown) {
    for (const server of servers) server.close();
    store.close();
    throw thrown;
  }
  const bounding = setInterval(() => tick(store, handler), TICK_MS).unref();
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

function tick(store: Store, handler: Handler): void {
  try {
    store.bound();
    handler.close();
  } catch (thrown) {
    // Unless it is damaged, the disk is full, or gone: whoever sends spans is told.
    recover(store, thrown);
  }
}

function recover(store: Store, thrown: unknown): void {
  try {
    store.recover(thrown);
  } catch {
    // A new one cannot be begun: the next look tries again.
  }
}

function listen(handler: Handler, host: string, port: number): Promise<Server> {
  const server = createServer(SLOWEST, (request, response) => void handler.handle(request, response));
  server.setTimeout(IDLE_MS);
  makeRoom(server);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

/**
 * Keeps the connections within their bound: a new one takes the place of that which has asked nothing for the longest time. Were
 * new ones refused instead, whoever opens many and asks nothing would keep everybody else out.
 */
function makeRoom(server: Server): void {
  /** The one that asked last comes last. */
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    if (open.size <= MOST_CONNECTIONS) return;
    const [idle] = open;
    if (idle === undefined) return;
    open.delete(idle);
    idle.destroy();
  });
  server.on('request', ({ socket }) => {
    if (open.delete(socket)) open.add(socket);
  });
}

/** Whether an address to listen on is reached from this machine alone. */
export function isLoopback(host: string): boolean {
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
