import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { Clock } from '../lifecycle/clock.ts';
import { decodeAck, decodeIdle, GOAWAY_PATH, LINE_LIMIT } from '../protocol/goaway.ts';
import { suppressTracing } from '../trace/suppress.ts';

/** How one call ended. */
export type CallResult = 'acked' | 'gone' | 'refused' | 'rejected' | 'timeout' | 'unreachable' | CallEnd;

/** Why a call is ended: the offline was undone, or is over. */
export type CallEnd = 'cancelled' | 'timeout';

export interface CallOptions {
  readonly clock: Clock;
  readonly address: string;
  readonly port: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Time until the first line, in milliseconds. */
  readonly timeoutMs: number;
}

/** What is known when the first line is there, or can come no more. */
export interface First {
  readonly result: CallResult;
  /** Requests of the consumer that were not finished when it acked. */
  readonly outstanding?: number;
  /** It has no list of this service, and makes no span. */
  readonly unused?: true;
  readonly status?: number;
  readonly errorType?: string;
}

/** One call to one consumer. */
export interface Call {
  /** Resolves with the first line, or with why there is none. Never rejects. */
  readonly first: Promise<First>;
  /** Resolves when the second line came (`true`) or can come no more (`false`). Never rejects. */
  readonly idle: Promise<boolean>;
  /** Ends the call. When its first line is not there, `why` is its result. */
  end(why: CallEnd): void;
}

/** Status by which another process, that listens there now, says that the consumer has ended. */
const GONE = 410;

/** Causes that prove that nobody listens there. */
const REFUSED = new Set(['ECONNREFUSED']);

/**
 * Sends one GoAway. The request is made with `http.ClientRequest` itself, under suppressed tracing: an application's
 * instrumentation would otherwise add a second `traceparent`, and two are rejected by every parser. It has no agent, whose
 * hook would take a consumer's host for a service of that name, and its address for one to pick.
 */
export function callGoAway(options: CallOptions): Call {
  const first = Promise.withResolvers<First>();
  const idle = Promise.withResolvers<boolean>();
  const request = suppressTracing(() => open(options));
  const finish = (result: CallResult, detail: Omit<First, 'result'> = {}): void => {
    timer.cancel();
    first.resolve({ result, ...detail });
  };
  const abort = (): void => {
    idle.resolve(false);
    request.destroy();
  };
  const timer = options.clock.after(options.timeoutMs, () => {
    finish('timeout', { errorType: 'timeout' });
    abort();
  });
  request.on('error', (error: NodeJS.ErrnoException) => {
    const code = error.code ?? 'error';
    finish(REFUSED.has(code) ? 'refused' : 'unreachable', { errorType: code });
    idle.resolve(false);
  });
  request.on('close', () => idle.resolve(false));
  request.on('response', (response: IncomingMessage) => {
    const status = response.statusCode ?? 0;
    if (status !== 200) {
      finish(status === GONE ? 'gone' : 'rejected', { status, errorType: String(status) });
      return abort();
    }
    readLines(response, (line, index) => {
      if (index > 0) return idle.resolve(decodeIdle(line) !== undefined);
      const ack = decodeAck(line);
      if (ack !== undefined)
        return finish('acked', { status, outstanding: ack.outstanding, ...(ack.unused && { unused: true }) });
      finish('rejected', { status, errorType: 'bad_answer' });
      abort();
    });
  });
  request.end(options.body);
  const end = (why: CallEnd): void => {
    finish(why);
    abort();
  };
  return { first: first.promise, idle: idle.promise, end };
}

function open({ address, port, body, headers }: CallOptions): ClientRequest {
  const { ClientRequest } = process.getBuiltinModule('node:http') as unknown as {
    ClientRequest: new (options: RequestOptions) => ClientRequest;
  };
  const { connect } = process.getBuiltinModule('node:net');
  return new ClientRequest({
    host: address,
    port,
    method: 'POST',
    path: GOAWAY_PATH,
    createConnection: () => connect({ host: address, port, noDelay: true }),
    headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  });
}

/** Calls `each` for the first two lines; an answer that is too long is cut off. */
function readLines(response: IncomingMessage, each: (line: string, index: number) => void): void {
  let buffered = '';
  let read = 0;
  let index = 0;
  response.setEncoding('utf8');
  response.on('error', () => {});
  response.on('data', (chunk: string) => {
    read += chunk.length;
    if (read > 2 * LINE_LIMIT) {
      response.destroy();
      return;
    }
    buffered += chunk;
    for (let end = buffered.indexOf('\n'); end >= 0 && index < 2; end = buffered.indexOf('\n')) {
      const line = buffered.slice(0, end);
      buffered = buffered.slice(end + 1);
      each(line, index++);
    }
  });
}
