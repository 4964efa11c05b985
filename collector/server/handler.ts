import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { CONTENT_TYPES, formatOf } from '../../src/metrics/text.ts';
import { encode } from '../../src/trace/model/protobuf.ts';
import { BodyReader } from './body.ts';
import { Closing } from './closing.ts';
import { Intake } from './intake.ts';
import { answerQuery, failure } from './jaeger.ts';
import type { Answer } from './jaeger-answer.ts';
import { answerQueryV3, failureV3 } from './jaeger-v3.ts';
import { checkMetrics, decodeOtlp, ENCODINGS, type Encoding } from './otlp.ts';
import { PAGE_HEADERS, PageServer, type Tagged } from './page-server.ts';
import { Refused } from './refused.ts';
import { SpanMetrics } from './span-metrics.ts';
import type { Store } from './store.ts';

/** An answer, ready to be sent. */
interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes, because Node.js would keep a text beside its bytes until they are taken. */
  readonly body: Buffer;
}

/** A request's path in segments, and its query. */
interface Route {
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

/** Codes of an OTLP answer (google.rpc.Code) by HTTP status. */
const RPC_CODES: Readonly<Record<number, number>> = { 404: 5, 405: 12, 413: 8, 500: 13, 503: 14 };
const INVALID_ARGUMENT = 3;

const BY_MEDIA_TYPE: ReadonlyMap<string, Encoding> = new Map(Object.entries(ENCODINGS));

/** Most bytes of all answers that their readers have not taken yet: slow readers must not fill the memory. */
const MOST_UNREAD = 128 * 1_024 * 1_024;

/** Answers of at most so many bytes are always sent, above all to senders of spans. */
const SMALL = 16 * 1_024;

/** Longest time for which a body that was refused is read on, in milliseconds. */
const LINGER_MS = 2_000;

/** Answers every request of the collector. */
export class Handler {
  readonly #store: Store;
  readonly #bodies = new BodyReader();
  readonly #metrics = new SpanMetrics();
  readonly #page: PageServer;
  readonly #closing: Closing;
  readonly #intake: Intake;
  readonly #isLocal: boolean;
  #unread = 0;

  /**
   * @param isLocal only this machine can connect
   * @param jaegerUrl URL of a Jaeger with the same traces; empty for none
   */
  constructor(store: Store, isLocal: boolean, jaegerUrl = '') {
    this.#store = store;
    this.#isLocal = isLocal;
    this.#page = new PageServer(store, jaegerUrl);
    this.#closing = new Closing(store);
    this.#intake = new Intake(store, (added) => {
      this.#metrics.count(added);
      this.#closing.see(added);
    });
  }

  /** Ends the shutdowns of processes that were killed before they could. Call it every second. */
  close(): void {
    const roots = this.#closing.roots();
    if (roots.length > 0) this.#metrics.count(this.#store.add(roots));
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => {});
    response.on('error', () => {});
    const { status, headers, body } = this.#bounded(await this.#reply(request), response);
    if (!request.complete) linger(request);
    response.writeHead(status, {
      ...headers,
      ...(status !== 304 && { 'content-length': body.length }),
      'x-content-type-options': 'nosniff',
    });
    response.end(body);
  }

  /** Counts an answer until its reader has taken it or has gone. */
  #bounded(reply: Reply, response: ServerResponse): Reply {
    const { length } = reply.body;
    if (length > SMALL && this.#unread > 0 && this.#unread + length > MOST_UNREAD)
      return json(failureOf([], new Refused(503, 'too many answers wait for slow readers; ask again')));
    // A reader that has gone meanwhile takes nothing, and emits no further `close`.
    if (response.closed) return reply;
    this.#unread += length;
    response.once('close', () => {
      this.#unread -= length;
    });
    return reply;
  }

  async #reply(request: IncomingMessage): Promise<Reply> {
    let path: readonly string[] = [];
    try {
      const route = routeOf(request.url);
      path = route.path;
      if (this.#isLocal && !isLocalName(request.headers.host ?? ''))
        throw new Refused(
          403,
          'expected localhost or an address in the header host; start the collector with --host to allow other names',
        );
      return await this.#answer(request, route);
    } catch (thrown) {
      const refused = thrown instanceof Refused ? thrown : this.#refused(thrown);
      const answer = failureOf(path, refused);
      return path[0] === 'v1' ? encoded(answer, encodingOf(request) ?? 'json', 'Failure') : json(answer);
    }
  }

  async #answer(request: IncomingMessage, route: Route): Promise<Reply> {
    const { query } = route;
    const path = route.path.map(decoded);
    const [first, second, ...rest] = path;
    if (first === 'v1' && rest.length === 0) {
      if (second === 'traces')
        return this.#receive(request, 'TracesResponse', (bytes, encoding) => this.#takeTraces(bytes, encoding));
      if (second === 'metrics') return this.#receive(request, 'MetricsResponse', checkMetrics);
    }
    if (first === 'v1') throw new Refused(404, 'expected /v1/traces or /v1/metrics');
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new Refused(405, 'expected GET');
    if (first === 'metrics' && second === undefined) return this.#showMetrics(request.headers.accept);
    const asset = this.#page.asset(path);
    if (asset !== undefined)
      return { status: 200, headers: { ...PAGE_HEADERS, 'content-type': asset.type }, body: asset.body };
    const data = this.#page.data(path, query);
    if (data !== undefined) return tagged(data, request.headers['if-none-match']);
    const answer =
      first !== 'api'
        ? undefined
        : second === 'v3'
          ? answerQueryV3(this.#store, rest, query)
          : answerQuery(this.#store, [second ?? '', ...rest], query);
    if (answer === undefined) throw new Refused(404, `there is nothing at /${path.join('/').slice(0, 100)}`);
    return json(answer);
  }

  /** The refusal for an error; a damaged database is new for the next request. */
  #refused(thrown: unknown): Refused {
    const { message } = thrown as Error;
    return this.#store.recover(thrown)
      ? new Refused(503, `the database was damaged, and the collector has begun a new one (${message}); ask again`)
      : new Refused(500, message);
  }

  #showMetrics(accept: string | undefined): Reply {
    const format = formatOf(accept);
    return {
      status: 200,
      headers: { 'content-type': CONTENT_TYPES[format] },
      body: Buffer.from(this.#metrics.text(format)),
    };
  }

  /** @param take takes the body and resolves with the partial success */
  async #receive(
    request: IncomingMessage,
    response: string,
    take: (bytes: Buffer, encoding: Encoding) => object | Promise<object>,
  ): Promise<Reply> {
    if (request.method !== 'POST') throw new Refused(405, 'expected POST');
    const encoding = encodingOf(request);
    if (encoding === undefined)
      throw new Refused(
        415,
        `expected ${Object.keys(ENCODINGS).join(' or ')}, received ${mediaTypeOf(request).slice(0, 64) || 'no content type'}: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf in the sender`,
      );
    let partialSuccess = {};
    await this.#bodies.read(request, async (bytes) => {
      partialSuccess = await take(bytes, encoding);
    });
    return encoded({ status: 200, body: { partialSuccess } }, encoding, response);
  }

  async #takeTraces(bytes: Buffer, encoding: Encoding): Promise<object> {
    const { groups, rejected, reason } = decodeOtlp(bytes, encoding);
    await this.#intake.add(groups);
    return rejected > 0 ? { rejectedSpans: String(rejected), errorMessage: reason } : {};
  }
}

function mediaTypeOf({ headers }: IncomingMessage): string {
  return (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

/** Undefined for a request in no supported encoding. */
function encodingOf(request: IncomingMessage): Encoding | undefined {
  return BY_MEDIA_TYPE.get(mediaTypeOf(request));
}

/** The answer in the encoding of its request. */
function encoded(answer: Answer, encoding: Encoding, message: string): Reply {
  if (encoding === 'json') return json(answer);
  const headers = { 'content-type': 'application/x-protobuf' };
  return { status: answer.status, headers, body: encode(message, { ...answer.body }) };
}

function json({ status, body }: Answer): Reply {
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)) };
}

/** Answers 304 without a body when the browser has this version. */
async function tagged({ etag, answer }: Tagged, known: string | undefined): Promise<Reply> {
  const headers = { etag, 'cache-control': 'no-cache' };
  if (known === etag) return { status: 304, headers, body: Buffer.alloc(0) };
  const reply = json(await answer());
  return { ...reply, headers: { ...reply.headers, ...headers } };
}

/**
 * Reads on in a body that was refused, for a while: a connection that closes with unread data is reset, and a client that is still
 * sending then loses the answer.
 */
function linger(request: IncomingMessage): void {
  request.unpipe();
  request.resume();
  const timer = setTimeout(() => request.socket.destroy(), LINGER_MS);
  request.once('close', () => clearTimeout(timer));
}

/** A failure in the form of the requested interface. */
function failureOf([first, second]: readonly string[], refused: Refused): Answer {
  if (first === 'api') return second === 'v3' ? failureV3(refused) : failure(refused);
  const { status, message } = refused;
  return { status, body: { code: RPC_CODES[status] ?? INVALID_ARGUMENT, message } };
}

/**
 * Whether a host is a name of this machine. Otherwise a foreign page whose name resolves to 127.0.0.1 (DNS rebinding) could read
 * what is meant for this machine only.
 */
function isLocalName(host: string): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  return name === 'localhost' || name.endsWith('.localhost') || isIP(name.replace(/^\[|\]$/g, '')) !== 0;
}

/** @throws Refused 400 */
function routeOf(target: string | undefined): Route {
  const url = URL.parse(target ?? '/', 'http://collector');
  if (url === null) throw new Refused(400, 'the path is malformed');
  return { path: url.pathname.split('/').slice(1), query: url.searchParams };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Refused(400, 'the path is malformed');
  }
}
