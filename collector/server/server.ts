import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { DatabaseOptions } from './database.ts';
import { Handler } from './handler.ts';
import { Store } from './store.ts';

export interface CollectorOptions extends DatabaseOptions {
  readonly host: string;
  /** Ports; each answers OTLP, queries, the page and metrics. 0 takes a free one. */
  readonly ports: readonly number[];
  /** File of the database, or `:memory:`. */
  readonly database: string;
  /** Traces are removed this many milliseconds after their last span arrived. */
  readonly maxAgeMs: number;
  /** Most bytes of the database; the traces that arrived first make room. */
  readonly maxBytes: number;
  /** URL of a Jaeger with the same traces, to which the page links. Default: none. */
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

/** Bounds on slow clients, in milliseconds: for the headers, for the whole request, and for a silence in both directions. */
const SLOWEST = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 5_000 };
const IDLE_MS = 60_000;

/** Most connections of a port at a time; each of many consumers opens one. */
const MOST_CONNECTIONS = 4_096;

/** Interval of checks of the store, in milliseconds: traces get old and shutdowns end although nothing arrives. */
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
    // A damaged database is replaced. When the disk is full or gone, the answers to senders of spans say so.
    recover(store, thrown);
  }
}

function recover(store: Store, thrown: unknown): void {
  try {
    store.recover(thrown);
  } catch {
    // A new database cannot be begun; the next check tries again.
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
 * Keeps the connections within their bound: a new one replaces the one that has been silent for the longest time. If new ones were
 * refused instead, a client with many silent connections would keep everybody else out.
 */
function makeRoom(server: Server): void {
  /** Ordered by the last request, the latest last. */
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

/** Whether only this machine can reach a listening address. */
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
