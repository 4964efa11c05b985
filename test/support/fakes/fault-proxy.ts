import {
  createServer,
  type IncomingMessage,
  type RequestOptions,
  request as requestHttp,
  type Server,
  type ServerResponse,
} from 'node:http';
import { request as requestHttps } from 'node:https';
import { pause } from '../until.ts';
import { Gate } from './gate.ts';

/** A fault of one call. */
export interface Fault {
  /** Whether the fault hits a call. */
  readonly when: (call: SeenCall) => boolean;
  /** Delay of the request before the server, in milliseconds, even when the client has gone. */
  readonly delayMs?: number;
  /** Bytes of the answer that arrive before the connection is cut. */
  readonly cutAfter?: number;
  /** The server never gets the call, and the client gets no answer. */
  readonly drop?: boolean;
  /** The server acts on the call, but the client gets no answer. */
  readonly dropAnswer?: boolean;
  /** The proxy answers with this status itself. */
  readonly status?: number;
}

export interface SeenCall {
  readonly method: string;
  readonly url: string;
  readonly body: string;
}

/** An HTTP proxy in front of a registry: records every call, delays or drops single ones, or refuses all. */
export class FaultProxy extends Gate {
  protected override readonly server: Server;
  readonly #target: number;
  readonly #host: string;
  readonly #secure: boolean;
  /** Every call, in the order of arrival. */
  readonly calls: SeenCall[] = [];
  /** Every call that was passed on, once the server has answered it. */
  readonly passed: SeenCall[] = [];
  faults: readonly Fault[] = [];

  private constructor(target: number, secure: boolean, host: string) {
    super();
    this.#target = target;
    this.#secure = secure;
    this.#host = host;
    this.server = createServer((request, response) => void this.#pass(request, response));
  }

  /**
   * @param target port of the server; 0: that of the proxy
   * @param secure the server speaks TLS; the proxy does not
   * @param host address of the server
   */
  static async start(target: number, secure = false, host = '127.0.0.1'): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, secure, host);
    await proxy.up();
    return proxy;
  }

  /** Cuts every connection and accepts new ones without an answer; the resolved function restores the calls. */
  async silence(): Promise<() => Promise<void>> {
    this.faults = [{ when: () => true, drop: true }];
    this.cut();
    return async () => {
      this.faults = [];
    };
  }

  /** Forgets the calls it has noted. */
  forget(): void {
    this.calls.length = 0;
    this.passed.length = 0;
  }

  protected override cut(): void {
    this.server.closeAllConnections();
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    response.on('error', () => {});
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { method = '', url = '', headers } = request;
    const call = { method, url, body: body.toString() };
    this.calls.push(call);
    const fault = this.faults.find(({ when }) => when(call));
    if (fault?.drop) return;
    if (fault?.status !== undefined) return void response.writeHead(fault.status).end('a fault of the test');
    if (fault?.delayMs !== undefined) await pause(fault.delayMs);
    const [host, port] = [this.#host, this.#target || this.port];
    const options: RequestOptions = { host, port, method, path: url, headers, agent: false };
    const onward = this.#secure ? requestHttps({ ...options, rejectUnauthorized: false }) : requestHttp(options);
    onward.on('error', () => response.destroy());
    onward.on('response', (answer) => {
      this.passed.push(call);
      // The server got the call although the client has given up. Destroying the answer also ends an endless one with its client.
      if (response.destroyed) return void answer.destroy();
      response.on('close', () => answer.destroy());
      if (fault?.dropAnswer) return void answer.resume();
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      let left = fault?.cutAfter ?? Number.POSITIVE_INFINITY;
      answer.on('data', (chunk: Buffer) => {
        response.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) response.destroy();
      });
      answer.on('end', () => response.end());
      answer.on('error', () => response.destroy());
    });
    onward.end(body);
  }
}
