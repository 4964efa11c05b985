import type { IncomingMessage } from 'node:http';
import { whenAborted } from '../../lifecycle/abort.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { decodeAck, decodeIdle, GOAWAY_PATH, LINE_LIMIT } from '../../protocol/goaway.ts';
import type { Ack, Idle } from '../../protocol/identity.ts';
import type { ControlTls } from '../../protocol/tls.ts';
import { controlRequest } from './control-request.ts';

/** How one call ended. */
export type CallResult = 'acked' | 'gone' | 'refused' | 'rejected' | 'skipped' | 'unreachable' | CallEnd;

/** Why calls are ended, which their signal is aborted with: the offline was undone, or is over. */
export type CallEnd = 'cancelled' | 'timeout';

/** Why `signal` was aborted. */
export function endOf({ reason }: AbortSignal): CallEnd {
  return reason === 'cancelled' ? reason : 'timeout';
}

export interface CallOptions {
  readonly clock: Clock;
  /** Ends the call, with a {@link CallEnd}. When its first line is not there, that is its result. */
  readonly signal: AbortSignal;
  readonly address: string;
  readonly port: number;
  /** The address of ours to call from; undefined: any. */
  readonly localAddress: string | undefined;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Time until the first line, in milliseconds. */
  readonly timeoutMs: number;
  /** The consumer's port speaks TLS: how this process does; undefined: plain HTTP. */
  readonly tls: ControlTls | undefined;
}

/** What is known when the first line is there, or can come no more. */
export interface First {
  readonly result: CallResult;
  readonly ack?: Ack;
  readonly status?: number;
  readonly errorType?: string;
}

/** One call to one consumer. */
export interface Call {
  /** Resolves with the first line, or with why there is none. Never rejects. */
  readonly first: Promise<First>;
  /** Resolves with the second line, or with undefined when it can come no more. Never rejects. */
  readonly idle: Promise<Idle | undefined>;
  /** Ends a call whose second line is not wanted. */
  hangUp(): void;
}

/** Status by which another process, that listens there now, says that the consumer is not there. */
const GONE = 410;

/** Status by which this instance answers itself: the address leads back here. */
const SELF = 421;

/** Causes that say that nobody listens there: a kernel refuses, a firewall may reset. */
const REFUSED = new Set(['ECONNREFUSED']);

/** Result by status; any other status is a rejection. */
const RESULTS: Readonly<Record<number, First>> = {
  [GONE]: { result: 'gone', status: GONE, errorType: 'another_process' },
  [SELF]: { result: 'rejected', status: SELF, errorType: 'self' },
};

/** Sends one GoAway. */
export function callGoAway(options: CallOptions): Call {
  const first = Promise.withResolvers<First>();
  const idle = Promise.withResolvers<Idle | undefined>();
  const { address, port, localAddress, tls, body, signal } = options;
  const request = controlRequest({
    address,
    port,
    localAddress,
    tls,
    method: 'POST',
    path: GOAWAY_PATH,
    headers: { ...options.headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  });
  const finish = (result: CallResult, detail: Omit<First, 'result'> = {}): void => {
    timer.cancel();
    first.resolve({ result, ...detail });
  };
  const hangUp = (): void => {
    idle.resolve(undefined);
    request.destroy();
  };
  const timer = options.clock.after(options.timeoutMs, () => {
    finish('timeout', { errorType: 'timeout' });
    hangUp();
  });
  request.on('error', (error: NodeJS.ErrnoException) => {
    const code = error.code ?? 'error';
    finish(REFUSED.has(code) ? 'refused' : 'unreachable', { errorType: code });
    idle.resolve(undefined);
  });
  request.on('close', () => {
    forget();
    idle.resolve(undefined);
  });
  request.on('response', (response: IncomingMessage) => {
    const status = response.statusCode ?? 0;
    if (status !== 200) {
      const { result, ...detail } = RESULTS[status] ?? { result: 'rejected', status, errorType: String(status) };
      finish(result, detail);
      return hangUp();
    }
    // An answer without a line is none: nobody is isolated by it.
    response.on('close', () => finish('rejected', { status, errorType: 'bad_answer' }));
    readLines(response, (line, index) => {
      if (index > 0) return idle.resolve(decodeIdle(line));
      const ack = decodeAck(line);
      if (ack !== undefined) return finish('acked', { status, ack });
      finish('rejected', { status, errorType: 'bad_answer' });
      hangUp();
    });
  });
  request.end(body);
  const forget = whenAborted(signal, () => {
    finish(endOf(signal));
    hangUp();
  });
  return { first: first.promise, idle: idle.promise, hangUp };
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
