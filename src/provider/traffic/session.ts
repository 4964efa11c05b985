import type { IncomingHttpHeaders } from 'node:http';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Connection } from './connection.ts';

/** One open HTTP/2 session. */
export interface Session {
  readonly http2: ServerHttp2Session;
  /** Monotonic time at which it began. */
  readonly openedAt: number;
  /** Its owner and number of open streams; undefined until its first stream. */
  connection: Connection | undefined;
}

/** One open HTTP/2 stream. */
export class Stream {
  readonly http2: ServerHttp2Stream;
  readonly isConsumers: boolean;
  /** A leaving instance waits for its end. */
  readonly isAwaited: boolean;
  /** It speaks gRPC, which ends with a status in trailers. */
  readonly isGrpc: boolean;

  constructor(http2: ServerHttp2Stream, headers: IncomingHttpHeaders, isConsumers: boolean) {
    this.http2 = http2;
    this.isConsumers = isConsumers;
    this.isAwaited = !ASIDE.test(headers[':path']?.toString() ?? '');
    this.isGrpc = GRPC.test(headers['content-type'] ?? '');
  }

  /** The head of its answer is sent. */
  get isAnswering(): boolean {
    return this.http2.headersSent;
  }
}

/** gRPC services that describe a server: a watcher keeps its stream open without waiting for an answer. */
const ASIDE = /^\/grpc\.(?:health\.v\d\w*\.Health|reflection\.v\d\w*\.ServerReflection|channelz\.v\d\w*\.Channelz)\//;

/** gRPC-Web, which has no trailers, is another protocol. */
const GRPC = /^application\/grpc(?:$|[+;])/;
