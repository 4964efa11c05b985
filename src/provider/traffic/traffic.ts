import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Guard } from '../../guard.ts';
import { isOwn } from '../../io/own-server.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { CONSUMER_HEADER, DRAINING_HEADER } from '../../protocol/header.ts';
import type { Caller } from '../../protocol/identity.ts';
import { dropHeader } from '../../protocol/raw-headers.ts';
import { Arriving } from './arriving.ts';
import type { Callers } from './callers.ts';
import { Connection } from './connection.ts';
import { type HttpServer, kindOf } from './http-server.ts';
import { Marker } from './marker.ts';
import { ReceivedHeader } from './received-header.ts';
import type { RecentCaller } from './recent-caller.ts';

/** Health checks of platforms: not callers, and nobody to wait for. */
const PROBES = ['kube-probe/', 'ELB-HealthChecker/', 'GoogleHC/', 'Consul Health Check', 'Envoy/HC'];

/** Where the state of a connection is kept. */
const CONNECTION = Symbol('lossless.connection');

/** A connection of HTTP/1.1, or a session of HTTP/2: its socket throws whatever is read of it once the session has ended. */
type Tracked<T extends EventEmitter> = T & { [CONNECTION]?: Connection };
type Head = { readonly headers: IncomingHttpHeaders };
type Exchange = { request: IncomingMessage; response: ServerResponse; socket: Tracked<Socket>; server: object };

export interface TrafficOptions {
  readonly clock: Clock;
  readonly guard: Guard;
  readonly callers: Callers;
  /** Reads a consumer header; `undefined` when it is malformed. */
  readonly decode: (header: string) => Caller | undefined;
  /** A caller is this very process. */
  readonly isSelf: (caller: Caller) => boolean;
  /** An HTTP server of the application listens. */
  readonly onListen: (server: HttpServer) => void;
  /** A caller is seen for the first time. */
  readonly onNewCaller: (caller: RecentCaller) => void;
}

/**
 * Finds the application's HTTP servers and counts their requests, all by diagnostics channels. Per request it does two
 * increments and one header look-up; no clock, no listener, no allocation.
 *
 * In flight are: HTTP/1.1 requests until their response is handed to the kernel and they are read to their end, or their
 * connection closes, HTTP/2 streams until they close, and upgraded connections (WebSocket, CONNECT) until their socket closes.
 */
export class Traffic {
  readonly #options: TrafficOptions;
  readonly #channels: readonly (readonly [string, (message: never) => void])[];
  readonly #marking: Marker;
  readonly #servers = new Set<HttpServer>();
  readonly #watched = new WeakSet<HttpServer>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #connections = new Set<Tracked<Socket>>();
  readonly #streams = new Map<ServerHttp2Stream, boolean>();
  /** Requests that were answered before they were read to their end, by connection. */
  readonly #uploads = new Map<Tracked<Socket>, IncomingMessage>();
  readonly #arriving: Arriving;
  readonly #consumer = new ReceivedHeader(CONSUMER_HEADER);
  #inflight = 0;
  #started = 0;
  #afterAck = 0;
  #unmanaged = 0;
  #ofProbes = 0;
  #ofSelf = 0;
  #lastActivity = 0;
  #marker: string | undefined;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#arriving = new Arriving(options.clock, this.#servers);
    this.#marking = new Marker(DRAINING_HEADER, options.guard);
    const channels: readonly (readonly [string, (message: never) => void])[] = [
      ['tracing:net.server.listen:asyncEnd', ({ server }: { server: object }) => this.#listening(server)],
      ['http.server.request.start', (exchange: Exchange) => this.#requestStarted(exchange)],
      ['http.server.response.finish', (exchange: Exchange) => this.#responseFinished(exchange)],
      [
        'http2.server.stream.created',
        ({ stream, headers }: { stream: ServerHttp2Stream; headers: IncomingHttpHeaders }) =>
          this.#streamCreated(stream, headers),
      ],
    ];
    this.#channels = channels.map(([name, listener]) => [name, options.guard.listener(name, listener)]);
  }

  start(): void {
    for (const [name, listener] of this.#channels) subscribe(name, listener as (message: unknown) => void);
  }

  stop(): void {
    for (const [name, listener] of this.#channels) unsubscribe(name, listener as (message: unknown) => void);
  }

  /** Requests accepted whose response is not finished, and uploads that were answered early and still run. */
  get inflight(): number {
    for (const [socket, request] of this.#uploads) {
      if (!request.complete) continue;
      this.#uploads.delete(socket);
      this.#active();
    }
    return this.#inflight + this.#uploads.size;
  }

  /** Requests of HTTP/1.1 whose head has begun to arrive; a look at every connection. */
  get arriving(): number {
    this.#arriving.look();
    return this.#arriving.begun.length;
  }

  /** Open connections that have never said anything, as of the last look. */
  get silent(): number {
    return this.#arriving.silentCount;
  }

  /** Requests started since the process began. */
  get started(): number {
    return this.#started;
  }

  /** Requests of callers started since the process began: neither health checks nor those of this process itself. */
  get served(): number {
    return this.#started - this.#ofProbes - this.#ofSelf;
  }

  /** Requests of consumers that started after their ack, beyond those that were on their way then. */
  get afterAck(): number {
    return this.#afterAck;
  }

  /** Requests of callers without the plugin since the process began, probes excepted. */
  get unmanaged(): number {
    return this.#unmanaged;
  }

  /** Monotonic time at which a request last started or ended, or a connection came; kept only while marking. */
  get lastActivity(): number {
    return Math.max(this.#lastActivity, this.#arriving.newestAt);
  }

  /** The application's HTTP servers that listen. */
  get servers(): readonly HttpServer[] {
    return [...this.#servers].filter((server) => server.listening);
  }

  /** TCP ports the application's HTTP servers listen on. */
  get ports(): ReadonlySet<number> {
    const addresses = this.servers.map((server) => server.address());
    return new Set(
      addresses.flatMap((address) => (typeof address === 'object' && address !== null ? [address.port] : [])),
    );
  }

  /** HTTP/1.1 connections with a request in flight, or that has begun to arrive, and without. */
  get connections(): { readonly busy: readonly Socket[]; readonly idle: readonly Socket[] } {
    this.#arriving.look();
    const busy = [...this.#arriving.begun];
    const idle = [...this.#arriving.silent];
    const arriving = new Set(busy);
    for (const socket of this.#connections) {
      const connection = socket[CONNECTION];
      if (connection === undefined || arriving.has(socket)) continue;
      const isUploading = this.#uploads.get(socket)?.complete === false;
      (connection.inflight === 0 && !isUploading ? idle : busy).push(socket);
    }
    return { busy, idle };
  }

  /** Open HTTP/2 sessions. */
  get sessions(): readonly ServerHttp2Session[] {
    return [...this.#sessions];
  }

  /** Whether the last request on a connection was a consumer's. */
  isConsumers(socket: Tracked<Socket>): boolean {
    return socket[CONNECTION]?.header !== undefined;
  }

  /** From now on every response to a consumer carries the draining marker, those in flight included. */
  mark(value: string): void {
    this.#marker = value;
    this.#active();
    for (const socket of this.#connections) {
      const connection = socket[CONNECTION];
      for (const response of connection?.responses ?? [])
        this.#marking.response(response, connection as Connection, value);
    }
    for (const [stream, isConsumers] of this.#streams) if (isConsumers) this.#marking.stream(stream, value);
  }

  /** No marker any more: the offline was undone. */
  unmark(): void {
    this.#marker = undefined;
  }

  #listening(server: object): void {
    const kind = kindOf(server);
    if (kind === 'other' || isOwn(server)) return;
    const http = server as HttpServer;
    // One that listens again while connections of before stand has not told that it was closed.
    if (!this.#servers.has(http))
      http.once(
        'close',
        this.#guarded('server', 'close', () => this.#servers.delete(http)),
      );
    this.#servers.add(http);
    this.#watch(http, kind);
    this.#options.onListen(http);
  }

  /** Once for each server, however often it listens. */
  #watch(server: HttpServer, kind: 'http1' | 'http2'): void {
    if (this.#watched.has(server)) return;
    this.#watched.add(server);
    if (kind === 'http2') this.#watchSessions(server as Http2Server);
    else this.#watchUpgrades(server as Server);
  }

  #watchSessions(server: Http2Server): void {
    const raw = (_stream: unknown, _headers: unknown, _flags: unknown, rawHeaders: unknown): void => {
      if (Array.isArray(rawHeaders)) dropHeader(rawHeaders, CONSUMER_HEADER);
    };
    server.prependListener('stream', this.#guarded('server', 'stream', raw));
    const began = (session: ServerHttp2Session): void => {
      this.#sessions.add(session);
      session.once(
        'close',
        this.#guarded('session', 'close', () => this.#sessions.delete(session)),
      );
    };
    server.on('session', this.#guarded('server', 'session', began));
  }

  /**
   * An upgrade listener of ours alone would turn plain requests with an `Upgrade` header into upgrades, so there is one only
   * beside one of the application's.
   */
  #watchUpgrades(server: Server): void {
    const upgraded = this.#guarded('server', 'upgrade', (request: IncomingMessage, socket: Tracked<Socket>) =>
      this.#upgraded(request, socket),
    );
    const isOurs = (listener: unknown): boolean => listener === upgraded;
    for (const event of ['upgrade', 'connect'] as const) {
      const join = (): void => void server.prependListener(event, upgraded as never);
      if (server.listenerCount(event) > 0) join();
      const added = (name: string | symbol, listener: unknown): void => {
        if (name === event && !isOurs(listener) && !server.listeners(event).some(isOurs)) join();
      };
      const removed = (name: string | symbol): void => {
        if (name === event && server.listeners(event).every(isOurs)) server.off(event, upgraded as never);
      };
      server.on('newListener', this.#guarded('server', 'newListener', added));
      server.on('removeListener', this.#guarded('server', 'removeListener', removed));
    }
  }

  #upgraded(request: IncomingMessage, socket: Tracked<Socket>): void {
    const connection = socket[CONNECTION] ?? this.#track(socket);
    this.#inflight++;
    connection.inflight++;
    this.#count(connection, this.#consumer.take(request), request, socket);
    this.#active();
  }

  #requestStarted({ request, response, socket, server }: Exchange): void {
    const connection = socket[CONNECTION] ?? (isOwn(server) ? undefined : this.#track(socket));
    if (connection === undefined) return;
    connection.begin(response);
    this.#inflight++;
    this.#count(connection, this.#consumer.take(request), request, socket);
    this.#active(connection);
    if (this.#marker !== undefined) this.#marking.response(response, connection, this.#marker);
  }

  #responseFinished({ request, socket }: Exchange): void {
    const connection = socket?.[CONNECTION];
    if (connection === undefined || connection.inflight <= 0) return;
    connection.finish();
    this.#inflight--;
    this.#active(connection);
    if (!request.complete) this.#uploads.set(socket, request);
  }

  #streamCreated(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const session = stream.session as Tracked<ServerHttp2Session>;
    const connection = session[CONNECTION] ?? this.#trackSession(session);
    this.#inflight++;
    connection.inflight++;
    const header = headers[CONSUMER_HEADER] as string | undefined;
    this.#streams.set(stream, header !== undefined);
    const closed = (): void => {
      this.#inflight--;
      connection.inflight--;
      this.#streams.delete(stream);
      this.#active(connection);
    };
    stream.once('close', this.#guarded('stream', 'close', closed));
    if (header !== undefined) delete headers[CONSUMER_HEADER];
    this.#count(connection, header, { headers }, session.socket);
    this.#active(connection);
    if (this.#marker !== undefined && header !== undefined) this.#marking.stream(stream, this.#marker);
  }

  /** A listener of ours among those of the application. */
  #guarded<Call extends unknown[]>(
    of: 'server' | 'session' | 'stream' | 'connection',
    event: string,
    listener: (...call: Call) => void,
  ): (...call: Call) => void {
    return this.#options.guard.listener(`the event ${event} of a ${of}`, listener);
  }

  /**
   * A request has started or ended: who waited for an answer may send the next one now. A process that calls itself would never
   * be quiet, and ends with its own calls.
   */
  #active(of?: Connection): void {
    if (this.#marker !== undefined && of?.owner !== 'self') this.#lastActivity = this.#options.clock.now();
  }

  #trackSession(session: Tracked<ServerHttp2Session>): Connection {
    const connection = new Connection();
    session[CONNECTION] = connection;
    session.once(
      'close',
      this.#guarded('session', 'close', () => this.#disown(connection)),
    );
    return connection;
  }

  #track(socket: Tracked<Socket>): Connection {
    const connection = new Connection();
    socket[CONNECTION] = connection;
    this.#connections.add(socket);
    const closed = (): void => {
      this.#connections.delete(socket);
      this.#uploads.delete(socket);
      const { inflight } = connection;
      this.#inflight -= inflight;
      connection.inflight = Number.NEGATIVE_INFINITY;
      if (inflight > 0) this.#active();
      this.#disown(connection);
    };
    socket.once('close', this.#guarded('connection', 'close', closed));
    return connection;
  }

  /** Counts a request and finds out whose it is; the table is touched only when the header changes. */
  #count(connection: Connection, header: string | undefined, request: Head, socket: Socket): void {
    this.#started++;
    if (connection.owner === undefined || header !== connection.header)
      this.#options.guard.attempt(
        'who sends a request',
        () => this.#own(connection, header, request.headers, socket),
        // Whoever cannot be known cannot be told.
        () => this.#ownUnmanaged(connection),
      );
    const { owner } = connection;
    if (typeof owner === 'object') {
      const now = this.#options.clock.now();
      owner.rhythm.beat(now);
      if (owner.telling?.isBrokenBy(now)) this.#afterAck++;
    } else if (owner === 'unmanaged') this.#unmanaged++;
    else if (owner === 'self') this.#ofSelf++;
    else this.#ofProbes++;
  }

  #own(connection: Connection, header: string | undefined, headers: IncomingHttpHeaders, socket: Socket): void {
    this.#disown(connection);
    connection.header = header;
    const caller = header === undefined ? undefined : this.#options.decode(header);
    if (caller !== undefined && this.#options.isSelf(caller)) {
      connection.owner = 'self';
    } else if (caller !== undefined) {
      const { entry, isNew } = this.#options.callers.opened(caller, socket, connection);
      connection.owner = entry;
      if (isNew) this.#options.onNewCaller(entry);
    } else if (PROBES.some((agent) => headers['user-agent']?.startsWith(agent))) {
      connection.owner = 'probe';
    } else {
      this.#ownUnmanaged(connection);
    }
  }

  #ownUnmanaged(connection: Connection): void {
    connection.owner = 'unmanaged';
    this.#options.callers.unmanagedOpened();
  }

  #disown(connection: Connection): void {
    const { owner } = connection;
    connection.owner = undefined;
    if (owner === 'unmanaged') this.#options.callers.unmanagedClosed();
    else if (typeof owner === 'object') this.#options.callers.closed(owner, connection);
  }
}
