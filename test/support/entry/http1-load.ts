import { connect, type Socket } from 'node:net';
import { closing, type Load, openLoop, PATIENCE_MS, type Rate } from './load.ts';

/** The requests of a client: the head after the first line, and the body. */
const REQUESTS = {
  get: { method: 'GET', parts: [''], bytes: 0 },
  post: whole(512),
  'post-200k': whole(200_000),
  chunked: {
    method: 'POST',
    parts: [
      'transfer-encoding: chunked\r\n\r\n',
      ...Array<string>(4).fill(`400\r\n${'x'.repeat(1_024)}\r\n`),
      '0\r\n\r\n',
    ],
    bytes: 4_096,
  },
} as const satisfies Readonly<Record<string, Request>>;

interface Request {
  readonly method: string;
  /** Parts, written a turn of the event loop apart. The last headers end the head. */
  readonly parts: readonly string[];
  /** Length of the body; the application answers with that number. */
  readonly bytes: number;
}

function whole(bytes: number): Request {
  return { method: 'POST', parts: [`content-length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`], bytes };
}

/** A kind of request. */
export type Sends = keyof typeof REQUESTS;

export interface Http1Options extends Rate {
  readonly host: string;
  readonly port: number;
  readonly sends: Sends;
  /** Uses a connection again when the answer leaves it open. Default: true. */
  readonly keepAlive?: boolean;
}

/** Most idle connections of one client, as in the HTTP client of Go: the client closes further ones. */
const MOST_IDLE = 2;

/**
 * HTTP/1.1 clients, each with connections of its own. A client uses an idle connection until the server ends it or answers
 * `Connection: close`, ignores `Keep-Alive` headers, and never sends a request again.
 */
export function startHttp1(options: Http1Options): Load {
  const idle = Array.from({ length: options.clients }, () => new Set<Connection>());
  const load = openLoop(options, async (client) => {
    const mine = idle[client] as Set<Connection>;
    const [open] = mine;
    const connection = open ?? new Connection(options.host, options.port, () => mine.delete(connection));
    mine.delete(connection);
    const reason = await connection.request(REQUESTS[options.sends], `${options.host}`, options.keepAlive ?? true);
    if (connection.isOpen && mine.size < MOST_IDLE) mine.add(connection);
    else connection.close();
    return reason;
  });
  return closing(load, () => {
    for (const connection of idle.flatMap((each) => [...each])) connection.close();
  });
}

/** One connection, with at most one request at a time. */
class Connection {
  readonly #socket: Socket;
  #answer: Answer | undefined;
  #settle: ((reason: string | undefined) => void) | undefined;
  #isOver = false;

  constructor(host: string, port: number, onEnd: () => void) {
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.setEncoding('latin1').on('data', (text: string) => this.#read(text));
    this.#socket.on('error', ({ code }: NodeJS.ErrnoException) => this.#end(code ?? 'error'));
    this.#socket.on('close', () => {
      this.#end(this.#answer?.hasBegun ? 'cut' : 'closed');
      onEnd();
    });
    this.#socket.on('end', () => {
      this.#isOver = true;
      onEnd();
    });
  }

  get isOpen(): boolean {
    return !this.#isOver;
  }

  close(): void {
    this.#isOver = true;
    this.#socket.destroy();
  }

  async request({ method, parts, bytes }: Request, host: string, keepAlive: boolean): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#settle = resolve;
    this.#answer = new Answer(`${bytes}`);
    const timer = setTimeout(() => this.#end('timeout'), PATIENCE_MS);
    const [head = '', ...rest] = parts;
    const connection = keepAlive ? '' : 'connection: close\r\n';
    this.#socket.write(`${method} /work HTTP/1.1\r\nhost: ${host}\r\n${connection}${head === '' ? '\r\n' : head}`);
    for (const part of rest) {
      await new Promise(setImmediate);
      this.#socket.write(part);
    }
    const reason = await promise;
    clearTimeout(timer);
    if (!keepAlive) this.close();
    return reason;
  }

  #read(text: string): void {
    const answer = this.#answer;
    answer?.add(text);
    if (answer?.isWhole) {
      if (answer.closes) this.close();
      this.#answer = undefined;
      this.#settle?.(answer.fault);
    }
  }

  #end(reason: string): void {
    this.#settle?.(reason);
    this.close();
  }
}

/** An answer as it arrives. The application answers with the number of bytes that it received. */
class Answer {
  readonly #expected: string;
  #text = '';
  #head: string | undefined;

  constructor(expected: string) {
    this.#expected = expected;
  }

  get hasBegun(): boolean {
    return this.#text !== '' || this.#head !== undefined;
  }

  add(text: string): void {
    this.#text += text;
    const end = this.#head === undefined ? this.#text.indexOf('\r\n\r\n') : -1;
    if (end === -1) return;
    this.#head = this.#text.slice(0, end + 2).toLowerCase();
    this.#text = this.#text.slice(end + 4);
  }

  get isWhole(): boolean {
    if (this.#head === undefined) return false;
    const [, length] = /\r\ncontent-length: *(\d+)\r\n/.exec(this.#head) ?? [];
    return length === undefined ? this.#text.endsWith('0\r\n\r\n') : this.#text.length >= Number(length);
  }

  get closes(): boolean {
    return /\r\nconnection: *close\r\n/.test(this.#head ?? '');
  }

  /** Undefined when the answer is right for a whole body. */
  get fault(): string | undefined {
    const [, status] = /^http\/1\.[01] (\d+)/.exec(this.#head ?? '') ?? [];
    if (status !== '200') return `status ${status}`;
    return this.#text.includes(this.#expected) ? undefined : 'body';
  }
}
