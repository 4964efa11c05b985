import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { encodePayload, type Payload, PayloadReader } from '../../../src/registry/nacos/payload.ts';
import { freePort } from '../servers/built.ts';

/** The answer to a request over gRPC. */
type Answer = (request: Payload) => Payload['body'];

/** A Nacos that drops connections, forgets or refuses when a test says so, as a real one does now and then. */
export class FakeNacos {
  readonly port: number;
  /** Hosts of every service, in lists over HTTP and in answers to subscriptions. */
  hosts: readonly object[] = [];
  /** Types of requests over gRPC. */
  readonly requests: string[] = [];
  /** Number of connections over gRPC. */
  connections = 0;
  /** Number of requests for lists over HTTP. */
  polls = 0;
  answer: Answer = ({ body }) => ({ serviceInfo: { name: body['serviceName'], hosts: this.hosts } });
  readonly #http: Server;
  readonly #grpc: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  #push: ((payload: Payload) => void) | undefined;

  private constructor(port: number) {
    this.port = port;
    this.#http = createServer((_, response) => {
      this.polls++;
      response.end(JSON.stringify({ code: 0, data: this.hosts }));
    });
    this.#grpc = createHttp2Server();
    this.#grpc.on('session', (session) => {
      this.connections++;
      this.#sessions.add(session.on('error', () => {}).on('close', () => this.#sessions.delete(session)));
    });
    this.#grpc.on('stream', (stream, headers) => {
      const reader = new PayloadReader();
      const isRequest = headers[':path'] === '/Request/request';
      stream.on('error', () => {}).respond({ ':status': 200, 'content-type': 'application/grpc' });
      if (!isRequest) this.#push = (payload) => stream.write(encodePayload(payload));
      stream.on('data', (chunk: Buffer) => {
        for (const request of reader.read(chunk)) {
          this.requests.push(request.type);
          if (isRequest)
            stream.end(encodePayload({ type: 'Response', body: { resultCode: 200, ...this.answer(request) } }));
        }
      });
    });
  }

  static async start(): Promise<FakeNacos> {
    for (;;) {
      const nacos = new FakeNacos(await freePort());
      try {
        await listen(nacos.#http, nacos.port);
        await listen(nacos.#grpc, nacos.port + 1_000);
        return nacos;
      } catch {
        await nacos.close();
      }
    }
  }

  /** Sends a server's request over the latest connection. */
  push(type: string, body: Payload['body']): void {
    this.#push?.({ type, body });
  }

  /** Destroys all connections over gRPC. */
  drop(): void {
    for (const session of this.#sessions) session.destroy();
  }

  /** Sends GOAWAY on all connections, and keeps them. */
  goAway(): void {
    for (const session of this.#sessions) session.goaway(0);
  }

  async close(): Promise<void> {
    this.drop();
    this.#http.closeAllConnections();
    await Promise.all([this.#http, this.#grpc].map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

function listen(server: Server | Http2Server, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve(server.address() as AddressInfo));
  });
}
