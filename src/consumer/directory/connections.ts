import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Agent } from 'undici';
import type { Guard } from '../../guard.ts';

/** A request in progress over `node:http`. */
export interface OpenCall {
  /** Where it stands among the calls of its instance; kept by these. */
  place: number;
  /** Moves to another instance if nothing is written yet; otherwise has the connection closed after the response. */
  leave(): void;
}

/** An agent of undici whose connections all lead to the instance. */
export interface OpenAgent extends Pick<Agent, 'dispatch'> {
  /** Takes no more requests. Resolves when the last one has ended and only upgraded connections are left. */
  close(): Promise<void>;
  /** Fails all requests with `error`, including those in progress. */
  destroy(error: Error): Promise<void>;
  /** A connection was upgraded to another protocol. */
  upgraded(socket: Duplex): void;
}

/**
 * Most agents of undici for one instance; a new one replaces the oldest, because an application may make a dispatcher for each
 * request.
 */
const MOST_AGENTS = 64;

/** A session of HTTP/2, which carries many requests at a time. */
export interface OpenSession {
  /** Its requests that are not finished. */
  readonly outstanding: number;
  /** Sends nothing new; closes when the requests in progress have ended. */
  leave(): void;
}

/** What the guard calls this. */
const HOOK = 'a connection of node:http';

/** Symbol of the connections to which a socket belongs. */
const OWNER = Symbol('lossless.connections');

type Owned = Socket & { [OWNER]?: Connections; secureConnecting?: boolean };

/**
 * All connections of this process to one instance, from the first request until the instance is isolated or leaves the list.
 * Closing them is isolation: queued requests are no longer written, this side closes idle connections, and `idle` resolves when
 * the last response was read. Upgraded connections (WebSocket) cannot be moved: they count until they close.
 */
export class Connections {
  readonly idle: Promise<void>;
  readonly #guard: Guard;
  readonly #resolveIdle: () => void;
  /**
   * In no order. A set would be made anew every few dozen requests, and the tables it leaves behind in old memory keep the requests that
   * they held until the next collection of everything.
   */
  readonly #calls: OpenCall[] = [];
  readonly #sockets = new Set<Owned>();
  /** Sockets in use by a request. Node.js marks a socket only a moment after it was given out. */
  readonly #lent = new Set<Owned>();
  readonly #sessions = new Set<OpenSession>();
  /** Upgraded connections, which have left their pool. */
  readonly #upgraded = new Set<Owned>();
  /** One agent for each copy of undici in use, and for each dispatcher with settings of its own. */
  readonly #agents = new Map<object, OpenAgent>();
  #openAgents = 0;
  #dispatched = 0;
  #closed = false;

  constructor(guard: Guard) {
    this.#guard = guard;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.idle = promise;
    this.#resolveIdle = resolve;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Requests not finished and upgraded connections not closed. */
  get outstanding(): number {
    let sum = this.#dispatched + this.#calls.length + this.#upgraded.size;
    for (const session of this.#sessions) sum += session.outstanding;
    return sum;
  }

  /** The connections of one copy of undici, or of one dispatcher; made with its first request. */
  agent(owner: object, create: () => OpenAgent): OpenAgent {
    const known = this.#agents.get(owner);
    if (known !== undefined) return known;
    const agent = create();
    const [oldest] = this.#agents;
    if (oldest !== undefined && this.#agents.size >= MOST_AGENTS) {
      void this.closeAgent(oldest[0]);
    }
    this.#agents.set(owner, agent);
    this.#openAgents++;
    return agent;
  }

  /** Closes the connections that were made for `owner`. Resolves when they are closed. */
  async closeAgent(owner: object): Promise<void> {
    const agent = this.#agents.get(owner);
    if (!this.#agents.delete(owner) || agent === undefined || this.#closed) return;
    await this.#ends(agent.close());
  }

  /** Destroys the connections that were made for `owner`: their requests fail with `error`. */
  async destroyAgent(owner: object, error: Error): Promise<void> {
    const agent = this.#agents.get(owner);
    if (!this.#agents.delete(owner) || agent === undefined) return;
    const destroyed = agent.destroy(error);
    await (this.#closed ? destroyed.catch(() => {}) : this.#ends(destroyed));
  }

  /** A request of undici begins. */
  begin(): void {
    this.#dispatched++;
  }

  /** A request of undici has ended here, or moves elsewhere. */
  end(): void {
    this.#dispatched--;
    this.#settle();
  }

  /** A request of node:http begins. */
  add(call: OpenCall): void {
    call.place = this.#calls.push(call) - 1;
  }

  /** A request of node:http has ended here, or moves elsewhere. */
  remove(call: OpenCall): void {
    const { place } = call;
    if (this.#calls[place] !== call) return;
    const last = this.#calls.pop();
    if (last !== undefined && last !== call) {
      this.#calls[place] = last;
      last.place = place;
    }
    if (!this.#closed) return;
    // Its socket turns idle right after, so check again then.
    process.nextTick(this.#guard.listener(HOOK, () => this.#closeIdleSockets()));
  }

  /** A connection of node:http is given to a request; it belongs here until it closes. */
  own(socket: Owned): void {
    (socket[OWNER] ?? this).#lent.add(socket);
    if (socket[OWNER] !== undefined) return;
    socket[OWNER] = this;
    this.#sockets.add(socket);
    const free = (): void => void this.#lent.delete(socket);
    const removed = (): void => {
      if (!socket.destroyed) this.#upgraded.add(socket);
    };
    const closed = (): void => {
      this.#sockets.delete(socket);
      this.#lent.delete(socket);
      this.#upgraded.delete(socket);
      this.#settle();
    };
    const guard = this.#guard;
    // Before its pool, which may give it to the next request at once.
    socket.prependListener('free', guard.listener(HOOK, free));
    socket.once('agentRemove', guard.listener(HOOK, removed)).once('close', guard.listener(HOOK, closed));
  }

  /** An HTTP/2 session is open; it belongs here until it is removed. */
  addSession(session: OpenSession): void {
    this.#sessions.add(session);
  }

  /** The connection of a session is closed. */
  removeSession(session: OpenSession): void {
    this.#sessions.delete(session);
    this.#settle();
  }

  /** Isolation; synchronous, once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const agent of this.#agents.values()) void this.#ends(agent.close());
    // Idle ones first, so that a moving request does not find them in its pool.
    this.#closeIdleSockets();
    for (const call of [...this.#calls]) call.leave();
    for (const session of [...this.#sessions]) session.leave();
  }

  /** Waits for the end of one agent. */
  async #ends(end: Promise<void>): Promise<void> {
    await end.catch(() => {});
    this.#openAgents--;
    this.#settle();
  }

  /** Destroyed and removed from their pool in one step; otherwise the pool could give one out before its `close` event. */
  #closeIdleSockets(): void {
    for (const socket of [...this.#sockets]) {
      const isInTheMaking = socket.connecting || socket.secureConnecting;
      if (socket.destroyed || isInTheMaking || this.#lent.has(socket) || this.#upgraded.has(socket)) continue;
      socket.destroy();
      socket.emit('agentRemove');
    }
    this.#settle();
  }

  #settle(): void {
    const open = this.#openAgents + this.#sockets.size + this.#sessions.size;
    if (this.#closed && open === 0 && this.outstanding === 0) this.#resolveIdle();
  }
}
