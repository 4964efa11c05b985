import type { IncomingHttpHeaders } from 'node:http';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Connection } from './connection.ts';

/** One open HTTP/2 session. */
export interface Session {
  readonly http2: ServerHttp2Session;
  /** Monotonic time at which it began. */
  readonly openedAt: number;
  /** Whose it is, and how many of its streams are open; undefined until its first stream. */
  connection: Connection | undefined;
}

/** One open HTTP/2 stream. */
export class Stream {
  readonly http2: ServerHttp2Stream;
  readonly isConsumers: boolean;
  /** An instance that leaves waits for its end. */
  isAwaited: boolean;
  /** It speaks gRPC, which ends with a status in trailers. */
  readonly isGrpc: boolean;

  constructor(http2: ServerHttp2Stream, headers: IncomingHttpHeaders, isConsumers: boolean) {
    this.http2 = http2;
    this.isConsumers = isConsumers;
    this.isAwaited = !ASIDE.test(headers[':path']?.toString() ?? '');
    this.isGrpc = GRPC.test(headers['content-type'] ?? '');
  }

  /** The caller has got the head of an answer. */
  get isAnswering(): boolean {
    return this.http2.headersSent;
  }
}

/** Services of gRPC that tell of a server: who watches them holds a stream for as long as it lives, and waits for no answer. */
const ASIDE = /^\/grpc\.(?:health\.v\d\w*\.Health|reflection\.v\d\w*\.ServerReflection|channelz\.v\d\w*\.Channelz)\//;

/** gRPC-Web, which has no trailers, is another protocol. */
const GRPC = /^application\/grpc(?:$|[+;])/;
