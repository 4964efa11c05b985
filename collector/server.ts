import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BodyReader } from './body.ts';
import { answerQuery, failure } from './jaeger.ts';
import type { Answer } from './jaeger-answer.ts';
import { answerQueryV3, failureV3 } from './jaeger-v3.ts';
import { decodeOtlp, type SpanGroup } from './otlp.ts';
import { Refused } from './refused.ts';
import { Store } from './store.ts';

export interface CollectorOptions {
  readonly host: string;
  /** Ports; both OTLP and queries are answered on each. 0 takes a free one. */
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
  /** For clients of Jaeger's query API. */
  readonly queryUrl: string;
  close(): Promise<void>;
}

/** Codes of an OTLP answer (google.rpc.Code) by HTTP status. */
const RPC_CODES: Readonly<Record<number, number>> = { 404: 5, 405: 12, 413: 8, 500: 13, 503: 14 };
const INVALID_ARGUMENT = 3;

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
      await Promise.all(servers.map(stop));
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

function stop(server: Server): Promise<unknown> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  return closed;
}

function urlOf(server: Server, host: string): string {
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${(server.address() as AddressInfo).port}`;
}

class Receiver {
  readonly #store: Store;
  readonly #bodies = new BodyReader();

  constructor(store: Store) {
    this.#store = store;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => {});
    response.on('error', () => {});
    const { status, body } = await this.#answer(request);
    if (!request.complete) {
      // What was not read of a body would be taken for the next request.
      response.setHeader('connection', 'close');
      request.resume();
    }
    const text = JSON.stringify(body);
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'x-content-type-options': 'nosniff',
    });
    response.end(text);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const url = URL.parse(request.url ?? '/', 'http://collector');
    const [first, second, ...rest] = url?.pathname.split('/').slice(1) ?? [];
    const isApi = first === 'api';
    const isV3 = isApi && second === 'v3';
    try {
      if (url === null) throw new Refused(400, 'the path is malformed');
      if (url.pathname === '/v1/traces') return await this.#receive(request);
      if (request.method !== 'GET' && request.method !== 'HEAD') throw new Refused(405, 'expected GET');
      const answer = isV3
        ? answerQueryV3(this.#store, rest.map(decoded), url.searchParams)
        : isApi && answerQuery(this.#store, [second ?? '', ...rest].map(decoded), url.searchParams);
      if (!answer) throw new Refused(404, `nothing is answered at ${url.pathname.slice(0, 100)}`);
      return answer;
    } catch (thrown) {
      const refused = thrown instanceof Refused ? thrown : new Refused(500, (thrown as Error).message);
      if (isV3) return failureV3(refused);
      if (isApi) return failure(refused);
      const { status, message } = refused;
      return { status, body: { code: RPC_CODES[status] ?? INVALID_ARGUMENT, message } };
    }
  }

  async #receive(request: IncomingMessage): Promise<Answer> {
    if (request.method !== 'POST') throw new Refused(405, 'expected POST');
    const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
    if (type !== 'application/json')
      throw new Refused(
        415,
        `expected application/json, received ${type?.slice(0, 64) || 'no content type'}: set OTEL_EXPORTER_OTLP_PROTOCOL=http/json in the sender`,
      );
    await this.#bodies.read(request, (text) => this.#add(decodeOtlp(text)));
    return { status: 200, body: { partialSuccess: {} } };
  }

  /** A failure of the store is for the sender to repeat. */
  #add(groups: readonly SpanGroup[]): void {
    try {
      this.#store.add(groups);
    } catch (thrown) {
      throw new Refused(503, `the spans cannot be stored: ${(thrown as Error).message}`);
    }
  }
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Refused(400, 'the path is malformed');
  }
}
