import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { boundedText } from '../../io/bounded-text.ts';
import { systemClock } from '../../lifecycle/clock.ts';
import { AUDIENCE_HEADER, encodeAck, encodeIdle, GOAWAY_LIMIT, GOAWAY_PATH } from '../../protocol/goaway.ts';
import { encodeConsumer } from '../../protocol/header.ts';
import type { Keys } from '../../protocol/keys.ts';
import { SIGNATURE_HEADER } from '../../protocol/signature.ts';
import { eventually } from './rules.ts';

/** A received GoAway, unchecked. */
export interface Received {
  readonly audience: string | undefined;
  readonly type: string;
  readonly signature: string | undefined;
  readonly body: string;
}

/** The control port of a consumer. It acks no GoAway before `ack`. */
export class FakeConsumer {
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #host: string;
  readonly #keys: Keys | undefined;
  readonly id = `conformance:${process.pid}`;
  readonly goAways: Received[] = [];
  readonly #open = new Set<ServerResponse>();
  #hasAcked = false;
  wasAsked = false;

  constructor(host: string, keys: Keys | undefined) {
    this.#host = host;
    this.#keys = keys;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, this.#host, resolve));
  }

  /** The value of its consumer header. */
  get header(): string {
    const { port } = this.#server.address() as AddressInfo;
    const caller = { service: 'conformance', instanceId: this.id, generation: Date.now(), port };
    return encodeConsumer(caller, this.#keys, systemClock.wall());
  }

  /** Acks the open GoAways and all later ones. */
  async ack(withinMs: number): Promise<void> {
    this.#hasAcked = true;
    for (const response of this.#open) ack(response);
    // Earlier attempts may have timed out by now; then the provider makes another one.
    await eventually(() => this.#open.size > 0, withinMs, 'expected another attempt').catch(() => {});
  }

  /** Sends the idle line to all open GoAways. */
  idle(): void {
    for (const response of this.#open) response.end(encodeIdle({ idle: true, addresses: [`${this.#host}:1`] }));
  }

  close(): void {
    this.#server.close().closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, method, url } = request;
    const audience = headers[AUDIENCE_HEADER];
    if (url === '/liveness') {
      this.wasAsked ||= audience === this.id;
      return void response.writeHead(audience === undefined || audience === this.id ? 200 : 410).end('{}');
    }
    if (method !== 'POST' || url !== GOAWAY_PATH) return void response.writeHead(404).end('{}');
    this.goAways.push({
      audience: String(audience),
      type: headers['content-type'] ?? '',
      signature: headers[SIGNATURE_HEADER]?.toString(),
      body: (await boundedText(request, GOAWAY_LIMIT)) ?? '',
    });
    this.#open.add(response);
    response.once('close', () => this.#open.delete(response));
    if (this.#hasAcked) ack(response);
  }
}

function ack(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.write(encodeAck({ isolated: true, outstanding: 1, others: 1 }));
}
