import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGunzip } from 'node:zlib';
import { answerQuery, failure } from './jaeger.ts';
import { decodeOtlp, OtlpError } from './otlp.ts';
import { Store } from './store.ts';

/** Longest body, in bytes, as it is sent and as it is unpacked: 1,000 consumers make about 2 MB. */
const BODY_LIMIT = 32 * 1_024 * 1_024;

/** Most bodies in memory at a time. */
const MOST_AT_ONCE = 8;

export interface CollectorOptions {
  readonly host: string;
  /** Ports; both OTLP and queries are answered on each. 0 takes a free one. */
  readonly ports: readonly number[];
  /** File of the database, or `:memory:`. */
  readonly database: string;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
}

/** A collector that runs. */
export interface Collector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly otlpUrl: string;
  /** For clients of Jaeger's query API. */
  readonly queryUrl: string;
  close(): Promise<void>;
}

/** Starts a collector for one machine: OTLP/HTTP JSON in, Jaeger's query API out. */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const store = new Store({ path: options.database, maxAgeMs: options.maxAgeMs, maxBytes: options.maxBytes });
  const receiver = new Receiver(store);
  const servers: Server[] = [];
  try {
    for (const port of options.ports) servers.push(await listen(receiver, options.host, port));
  } catch (thrown) {
    for (const server of servers) server.close();
    store.close();
    throw thrown;
  }
  const [otlpUrl = '', queryUrl = otlpUrl] = servers.map((server) => urlOf(server, options.host));
  return {
    otlpUrl,
    queryUrl,
    async close() {
      await Promise.all(
        servers.map((server) => {
          const closed = new Promise((resolve) => server.close(resolve));
          server.closeAllConnections();
          return closed;
        }),
      );
      store.close();
    },
  };
}

function listen(receiver: Receiver, host: string, port: number): Promise<Server> {
  const server = createServer(
    { requestTimeout: 30_000, headersTimeout: 10_000 },
    (request, response) => void receiver.handle(request, response),
  );
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}

function urlOf(server: Server, host: string): string {
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${(server.address() as AddressInfo).port}`;
}

/** A request that is answered with this status. */
class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

class Receiver {
  readonly #store: Store;
  #bodies = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => {});
    response.on('error', () => {});
    try {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://collector');
      if (pathname === '/v1/traces') return await this.#receive(request, response);
      if (request.method !== 'GET' && request.method !== 'HEAD') throw new Refused(405, 'expected GET');
      const { status, body } =
        answerQuery(this.#store, pathname, searchParams) ??
        failure(404, `nothing is answered at ${pathname.slice(0, 100)}`);
      send(response, status, body);
    } catch (thrown) {
      const status = thrown instanceof Refused ? thrown.status : thrown instanceof OtlpError ? 400 : 500;
      // An unread body would be taken for the next request.
      if (!request.complete) response.setHeader('connection', 'close');
      if (!response.headersSent) send(response, status, { code: status, message: (thrown as Error).message });
      if (!request.complete) request.resume();
    }
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') throw new Refused(405, 'expected POST');
    const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim();
    if (type !== 'application/json')
      throw new Refused(
        415,
        `expected application/json, received ${type || 'no content type'}: set OTEL_EXPORTER_OTLP_PROTOCOL=http/json in the sender`,
      );
    if (this.#bodies >= MOST_AT_ONCE) throw new Refused(503, 'too many requests at a time; send again');
    this.#bodies++;
    try {
      this.#store.add(decodeOtlp(await readBody(request)));
    } finally {
      this.#bodies--;
    }
    send(response, 200, { partialSuccess: {} });
  }
}

/** The body, unpacked; both its forms are bounded while they are read, so that a small body cannot unpack to a huge one. */
async function readBody(request: IncomingMessage): Promise<string> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity' && encoding !== 'gzip')
    throw new Refused(415, `expected content-encoding gzip or none, received ${encoding}`);
  if (Number(request.headers['content-length'] ?? 0) > BODY_LIMIT)
    throw new Refused(413, `expected at most ${BODY_LIMIT} bytes`);
  let received = 0;
  request.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received > BODY_LIMIT) stream.destroy(new Refused(413, `expected at most ${BODY_LIMIT} bytes`));
  });
  const stream = encoding === 'gzip' ? request.pipe(createGunzip()) : request;
  if (stream !== request) request.once('aborted', () => stream.destroy(new Refused(400, 'the body was cut off')));
  const chunks: Buffer[] = [];
  let unpacked = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      unpacked += chunk.length;
      if (unpacked > BODY_LIMIT) throw new Refused(413, `expected at most ${BODY_LIMIT} bytes unpacked`);
      chunks.push(chunk);
    }
  } catch (thrown) {
    if (thrown instanceof Refused) throw thrown;
    throw new Refused(400, `the body cannot be read: ${(thrown as Error).message}`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'x-content-type-options': 'nosniff',
  });
  response.end(text);
}
