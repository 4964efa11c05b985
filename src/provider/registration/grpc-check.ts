import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { asError } from '../../errors.ts';
import { connect } from '../../io/connect.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { AGENT, type Answer, type ProbeTarget, TIMEOUT_MS, UNCHECKED } from './probe-target.ts';

/** The called method (grpc.health.v1): a gRPC server without it answers in gRPC too. */
const PATH = '/grpc.health.v1.Health/Check';

/** Longest answer that is read, in bytes: a status has two, after the five of a gRPC frame. */
const LONGEST_ANSWER = 64;
const FRAME_HEAD = 5;

/** `ServingStatus` of the answer. */
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** gRPC codes with a meaning in the health service, in words. */
const CODES: Readonly<Record<string, string>> = {
  '5': 'that its health service does not know this service (NOT_FOUND)',
  '12': 'that it has no grpc.health.v1.Health (UNIMPLEMENTED)',
};

/** The answer of a server to a gRPC health check. */
export interface GrpcAnswer extends Answer {
  /** It has answered in gRPC, whatever the status. */
  readonly isGrpc: boolean;
}

/** The answer so far. */
interface Received {
  headers: IncomingHttpHeaders;
  trailers: IncomingHttpHeaders;
  body: Buffer;
  failure: string | undefined;
}

/**
 * Asks an HTTP/2 server once whether it is serving, by the gRPC health check, over TLS or without (h2c). Waits `TIMEOUT_MS` for
 * the answer.
 *
 * @param service as the health service knows it, for example `echo.Echo`; empty: the server as a whole
 * @returns its answer, or why there is none. Never rejects
 */
export async function checkGrpc({ at, scheme }: ProbeTarget, service: string, clock: Clock): Promise<GrpcAnswer> {
  const received: Received = { headers: {}, trailers: {}, body: Buffer.alloc(0), failure: undefined };
  try {
    const { connect: http2 } = process.getBuiltinModule('node:http2');
    const tls = scheme === 'https' ? { ...UNCHECKED, ALPNProtocols: ['h2'] } : undefined;
    const session = http2(`${scheme}://localhost`, { createConnection: () => connect(at, tls) });
    session.unref();
    await ask(session, service, received, clock);
  } catch (thrown) {
    received.failure = asError(thrown).message;
  }
  return read(received);
}

/** Resolves when the answer has ended, or will not come. */
function ask(session: ClientHttp2Session, service: string, received: Received, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const fail = (failure: string): void => {
      received.failure ??= failure;
      session.destroy();
      resolve();
    };
    const timer = clock.after(TIMEOUT_MS, () => fail(`no answer within ${TIMEOUT_MS} ms`));
    session.on('error', (error) => fail(error.message));
    session.on('close', () => {
      timer.cancel();
      fail('the connection was closed');
    });
    const stream = session.request({
      ':method': 'POST',
      ':path': PATH,
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': AGENT,
      'grpc-timeout': `${TIMEOUT_MS}m`,
    });
    stream.on('response', (headers) => Object.assign(received.headers, headers));
    stream.on('trailers', (trailers) => Object.assign(received.trailers, trailers));
    stream.on('data', (part: Buffer) => {
      received.body = Buffer.concat([received.body, part]);
      if (received.body.length > LONGEST_ANSWER) fail('a longer answer than a health service gives');
    });
    stream.on('error', (error) => fail(error.message));
    stream.on('end', () => {
      resolve();
      session.close();
    });
    stream.end(frameOf(service));
  });
}

/** `HealthCheckRequest { string service = 1; }` as a frame of gRPC: not compressed, its length, the message. */
function frameOf(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  return Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
}

function read({ headers, trailers, body, failure }: Received): GrpcAnswer {
  const isGrpc = /^application\/grpc(\+|;|$)/.test(headers['content-type'] ?? '');
  if (failure !== undefined) return { isGrpc, isGood: false, said: failure };
  if (!isGrpc) return { isGrpc, isGood: false, said: `${headers[':status']}, not as gRPC does` };
  const code = String(trailers['grpc-status'] ?? headers['grpc-status']);
  if (code !== '0') return { isGrpc, isGood: false, said: CODES[code] ?? `the status ${code} of gRPC` };
  // `ServingStatus status = 1` is a varint; a message without it is 0.
  const [key, value] = body.subarray(FRAME_HEAD);
  const said = STATUSES[key === 0x08 ? (value ?? 0) : 0] ?? 'an unknown status';
  return { isGrpc, isGood: said === 'SERVING', said };
}
