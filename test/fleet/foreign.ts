import { randomUUID } from 'node:crypto';
import { Agent, createServer, request, type Server, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { encodeAck, encodeIdle } from '../../src/protocol/goaway.ts';
import { CONSUMER_HEADER, encodeConsumer } from '../../src/protocol/header.ts';
import { listening, portOf } from '../support/listening.ts';
import { pause } from '../support/until.ts';
import type { Control, Fake, Unmanaged } from './fleet.ts';
import type { Outcome } from './observed.ts';

/** Longest wait for an answer, in milliseconds. */
const PATIENCE_MS = 6_000;

/** Time after which a client that has acked sends again, in milliseconds: later than any quiet window, and surely after the ack. */
const LATER_MS = 600;

/** Where a client without the plugin sends a request. */
export interface Target {
  readonly life: number;
  readonly port: number;
}

/** A client that sends at a constant rate until it is stopped. */
export interface Load {
  stop(): Promise<void>;
}

export type Record_ = (outcome: Omit<Outcome, 'client'>) => void;

/** Sends to the targets of the balancer; a request without a target fails. */
export function startUnmanaged(
  { keepAlive, rate }: Unmanaged,
  balancer: () => Target | undefined,
  record: Record_,
): Load {
  const agent = keepAlive ? new Agent({ keepAlive: true }) : false;
  return atRate(rate, async () => {
    const target = balancer();
    const begun = now();
    if (target === undefined) record({ begun, ended: begun, failure: 'nobody to call' });
    else record(await call(target, agent, {}, 0));
  });
}

/** Sends to one provider until that refuses connections. */
export async function startFake(fake: Fake, target: Target, record: Record_): Promise<Load> {
  const liar = new Liar(fake, target, record);
  await liar.listen();
  const load = atRate(fake.rate, () => liar.turn());
  return { stop: () => load.stop().then(() => liar.close()) };
}

/** A client that speaks the protocol in its own manner. */
class Liar {
  readonly #fake: Fake;
  readonly #target: Target;
  readonly #record: Record_;
  readonly #agent: Agent | false;
  readonly #server = createServer((_request, response) => void this.#goAway(response));
  readonly #pending = new Set<Promise<void>>();
  #header = '';
  #ackedAt: number | undefined;
  #sends = true;
  #isOver = false;

  constructor(fake: Fake, target: Target, record: Record_) {
    this.#fake = fake;
    this.#target = target;
    this.#record = record;
    this.#agent = fake.keepAlive ? new Agent({ keepAlive: true }) : false;
  }

  async listen(): Promise<void> {
    await listening(this.#server);
    // No process listens on port 1.
    const port = this.#fake.manner === 'refused' ? 1 : portOf(this.#server);
    this.#header = encodeConsumer({ service: 'fake', instanceId: randomUUID(), generation: 1, port });
  }

  close(): void {
    this.#server.close().closeAllConnections();
  }

  async turn(): Promise<void> {
    if (this.#sends && !this.#isOver) await this.#send();
  }

  async #send(): Promise<void> {
    const sinceAckMs = this.#ackedAt === undefined ? undefined : now() - this.#ackedAt;
    const sent = call(this.#target, this.#agent, { [CONSUMER_HEADER]: this.#header }, this.#fake.workMs).then(
      (outcome) => {
        if (outcome.failure === 'ECONNREFUSED') this.#isOver = true;
        this.#record({ ...outcome, ...(sinceAckMs !== undefined && { sinceAckMs }) });
        this.#pending.delete(sent);
      },
    );
    this.#pending.add(sent);
    await sent;
  }

  async #goAway(response: ServerResponse): Promise<void> {
    const { manner } = this.#fake;
    if (manner === 'gone') return void response.writeHead(410).end('{}\n');
    if (manner !== 'goes_on') this.#sends = false;
    response.write(encodeAck({ isolated: true, outstanding: this.#pending.size }));
    this.#ackedAt ??= now();
    if (manner === 'never_idle') return;
    if (manner === 'leaks') {
      await pause(LATER_MS);
      void this.#send();
    }
    if (manner !== 'goes_on') await Promise.all(this.#pending);
    response.end(encodeIdle({ idle: true, addresses: ['127.0.0.1:1'] }));
    if (manner === 'calls_again') await pause(LATER_MS);
    if (manner === 'calls_again') this.#sends = true;
  }
}

async function call(
  { life, port }: Target,
  agent: Agent | false,
  headers: Readonly<Record<string, string>>,
  workMs: number,
): Promise<Omit<Outcome, 'client'>> {
  const begun = now();
  const failure = await new Promise<string | undefined>((resolve) => {
    const path = `/work?ms=${workMs}`;
    const signal = AbortSignal.timeout(PATIENCE_MS + workMs);
    const made = request({ port, host: '127.0.0.1', method: 'POST', path, agent, headers, signal }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`));
      response.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name));
    });
    made.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name));
    made.end('work');
  });
  return { begun, ended: now(), life, ...(failure !== undefined && { failure }) };
}

function atRate(rate: number, send: () => Promise<void>): Load {
  const pending = new Set<Promise<void>>();
  const begun = performance.now();
  let due = 0;
  const timer = setInterval(() => {
    for (const at = Math.floor(((performance.now() - begun) / 1_000) * rate); due <= at; due++) {
      const sent = send();
      pending.add(sent);
      void sent.finally(() => pending.delete(sent));
    }
  }, 5);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(pending);
    },
  };
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

/** A server in place of a consumer's control port. */
export interface Decoy {
  readonly port: number;
  close(): void;
}

const DECOYS: Readonly<Partial<Record<Control, () => Server | TcpServer>>> = {
  gone: () => createServer((_request, response) => void response.writeHead(410).end('{}\n')),
  broken: () => createServer((_request, response) => void response.writeHead(500).end()),
  silent: () => createTcpServer((socket) => void socket.on('error', () => {})),
  reset: () => createTcpServer((socket) => void socket.resetAndDestroy()),
};

/** Undefined for a `control` without a decoy. */
export async function startDecoy(control: Control): Promise<Decoy | undefined> {
  const server = DECOYS[control]?.();
  if (server === undefined) return undefined;
  await listening(server);
  return { port: portOf(server), close: () => void server.close() };
}
