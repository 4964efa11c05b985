import { asError } from '../../errors.ts';
import { NoAnswer, request } from '../../io/request.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { decodeAck, decodeIdle, GOAWAY_PATH, LINE_LIMIT } from '../../protocol/goaway.ts';
import type { Ack, Idle } from '../../protocol/identity.ts';
import type { ControlTls } from '../../protocol/tls.ts';

/** How one call ended. */
export type CallResult = 'acked' | 'gone' | 'refused' | 'rejected' | 'skipped' | 'unreachable' | CallEnd;

/** The reason with which the signal of calls is aborted: the offline was undone, or is over. */
export type CallEnd = 'cancelled' | 'timeout';

/** Why `signal` was aborted. */
export function endOf({ reason }: AbortSignal): CallEnd {
  return reason === 'cancelled' ? reason : 'timeout';
}

export interface CallOptions {
  readonly clock: Clock;
  readonly address: string;
  readonly port: number;
  /** The address of ours to call from; undefined: any. */
  readonly localAddress: string | undefined;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Time until the first line, in milliseconds. */
  readonly timeoutMs: number;
  /** TLS options when the consumer's port speaks TLS; undefined: plain HTTP. */
  readonly tls: ControlTls | undefined;
}

/** The outcome, once the first line has come or will not come. */
export interface First {
  readonly result: CallResult;
  readonly ack?: Ack;
  readonly status?: number;
  readonly errorType?: string;
}

/** One call to one consumer. */
export interface Call {
  /** Resolves with the first line, or with the reason why none came. Never rejects. */
  readonly first: Promise<First>;
  /** Resolves with the second line, or with undefined when it will not come. Never rejects. */
  readonly idle: Promise<Idle | undefined>;
  /** Ends the call. `why` is its result unless the first line has come. */
  hangUp(why: CallEnd): void;
}

/** Status of another process that listens at the consumer's address now. */
const GONE = 410;

/** Status with which this instance answers its own GoAway: the address leads back here. */
const SELF = 421;

/** Errors that mean that no process listens there: a kernel refuses, a firewall may reset. */
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
  const hanging = new AbortController();
  const hangUp = (why: CallEnd): void => {
    first.resolve({ result: why });
    idle.resolve(undefined);
    hanging.abort();
  };
  void listen(options, hanging.signal, first.resolve, idle.resolve)
    .catch((thrown) => first.resolve(failureOf(thrown)))
    .finally(() => idle.resolve(undefined));
  return { first: first.promise, idle: idle.promise, hangUp };
}

/** Passes on the answer, line by line. @throws the error of the request before its answer begins */
function listen(
  { address, port, localAddress, tls, ...options }: CallOptions,
  signal: AbortSignal,
  onFirst: (first: First) => void,
  onIdle: (idle: Idle | undefined) => void,
): Promise<void> {
  const to = { host: address, port, localAddress };
  const asked = { ...options, to, tls: tls?.connection(address), method: 'POST', path: GOAWAY_PATH, signal };
  return request(asked, async (answer) => {
    const { status } = answer;
    if (status !== 200) return onFirst(RESULTS[status] ?? { result: 'rejected', status, errorType: String(status) });
    let lines = 0;
    try {
      await answer.lines(LINE_LIMIT, (line) => {
        const ack = lines++ === 0 ? decodeAck(line) : undefined;
        if (lines > 1) onIdle(decodeIdle(line));
        if (ack === undefined) return false;
        answer.late?.cancel();
        onFirst({ result: 'acked', status, ack });
        return true;
      });
    } catch (thrown) {
      if (thrown instanceof NoAnswer) throw thrown;
    }
    // An answer without a line is not an ack: the consumer isolates nothing.
    onFirst({ result: 'rejected', status, errorType: 'bad_answer' });
  });
}

function failureOf(thrown: unknown): First {
  if (thrown instanceof NoAnswer) return { result: 'timeout', errorType: 'timeout' };
  const { code = 'error' }: NodeJS.ErrnoException = asError(thrown);
  return { result: REFUSED.has(code) ? 'refused' : 'unreachable', errorType: code };
}
