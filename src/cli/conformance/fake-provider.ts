import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { boundedText } from '../../io/bounded-text.ts';
import { CONSUMER_HEADER, DRAINING_HEADER } from '../../protocol/header.ts';
import { hostPort } from '../../protocol/host-port.ts';
import type { Instance } from '../../registry/registry.ts';

/** Longest body that the instance echoes, in bytes. */
const LONGEST_BODY = 65_536;

/** An instance that echoes the body of each request and remembers its callers. */
export class FakeProvider {
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #service: string;
  readonly #id: string;
  readonly #host: string;
  #generation = Date.now();
  #holdsNext = false;
  #release: (() => void) | undefined;
  /** Requests that arrived. */
  begun = 0;
  /** Unanswered requests. */
  inflight = 0;
  /** The last consumer header, and the address that sent it. */
  caller: { readonly header: string; readonly address: string } | undefined;
  /** Requests without a consumer header. */
  unnamed = 0;
  /** Value of the draining marker on responses. */
  marker: string | undefined;

  constructor(service: string, id: string, host: string) {
    this.#service = service;
    this.#id = `${id}:${process.pid}`;
    this.#host = host;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(0, this.#host, resolve);
    });
  }

  /** Its registration. */
  get instance(): Instance {
    const { port } = this.#server.address() as AddressInfo;
    return {
      service: this.#service,
      instanceId: this.#id,
      generation: this.#generation,
      host: this.#host,
      port,
      scheme: 'http',
      weight: 100,
      // An hour ago, so that consumers give the instance its whole share at once.
      registeredAt: this.#generation - 3_600_000,
      metadata: {},
    };
  }

  get address(): string {
    return hostPort(this.instance);
  }

  /** Acts as another process at the same address from now on. */
  restart(): void {
    this.#generation++;
  }

  /** Holds the answer to the next request until `release`. */
  holdNext(): void {
    this.#holdsNext = true;
  }

  get holds(): boolean {
    return this.#release !== undefined;
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }

  close(): void {
    this.release();
    this.#server.close().closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.begun++;
    this.inflight++;
    response.once('close', () => this.inflight--);
    const header = request.headers[CONSUMER_HEADER];
    if (typeof header === 'string') this.caller = { header, address: request.socket.remoteAddress ?? '' };
    else this.unnamed++;
    if (this.#holdsNext) {
      this.#holdsNext = false;
      await new Promise<void>((resolve) => {
        this.#release = resolve;
      });
    }
    const body = await boundedText(request, LONGEST_BODY).catch(() => undefined);
    if (this.marker !== undefined) response.setHeader(DRAINING_HEADER, this.marker);
    response.writeHead(body === undefined ? 413 : 200).end(body);
  }
}
