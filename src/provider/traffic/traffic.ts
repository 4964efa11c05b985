import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Http2Server, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { isOwn } from '../../io/own-server.ts';
import { CONSUMER_HEADER, DRAINING_HEADER } from '../../protocol/header.ts';
import { dropHeader } from '../../protocol/raw-headers.ts';
import { Arriving } from './arriving.ts';
import { Connection } from './connection.ts';
import type { Asked } from './health.ts';
import { type HttpServer, kindOf } from './http-server.ts';
import { type Ending, Marker } from './marker.ts';
import { type Head, Owners, type OwnersOptions } from './owners.ts';
import { ReceivedHeader } from './received-header.ts';
import { type Session, Stream } from './session.ts';

/** Symbol of the state of a connection. */
const CONNECTION = Symbol('lossless.connection');

/** An HTTP/1.1 connection, or an HTTP/2 session, because reading its socket throws once the session has ended. */
type Tracked<T extends EventEmitter> = T & { [CONNECTION]?: Connection };
type Exchange = { request: IncomingMessage; response: ServerResponse; socket: Tracked<Socket>; server: object };

export interface TrafficOptions extends OwnersOptions {
  /** An HTTP server of the application listens. */
  readonly onListen: (server: HttpServer) => void;
  /** A request at a path for health checks has come. */
  readonly onCheck: (socket: Socket, headers: IncomingHttpHeaders, isLeaving: boolean) => void;
  /** The application answered 2xx at a usual path of health checks while the instance leaves. */
  readonly onUnknownCheck: (path: string) => void;
}

/** Open HTTP/1.1 connections. */
export interface Connections {
  /** With a request in flight, or one that has begun to arrive. */
  readonly busy: readonly Socket[];
  /** Idle, and their last request was a health check. */
  readonly checks: readonly Socket[];
  /** Idle. */
  readonly idle: readonly Socket[];
}

/**
 * Finds the application's HTTP servers and counts their requests, all by diagnostics channels. Per request it makes two
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
  readonly #sessions = new Map<ServerHttp2Session, Session>();
  readonly #connections = new Set<Tracked<Socket>>();
  readonly #streams = new Set<Stream>();
  /** Requests that were answered before their body was read completely, by connection. */
  readonly #uploads = new Map<Tracked<Socket>, IncomingMessage>();
  readonly #arriving: Arriving;
  readonly #consumer = new ReceivedHeader(CONSUMER_HEADER);
  readonly #owners: Owners;
  #inflight = 0;
  #aside = 0;
  #lastActivity = 0;
  #lastBegun = 0;
  #marker: string | undefined;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#arriving = new Arriving(options.clock, this.#servers);
    this.#marking = new Marker(DRAINING_HEADER, options.guard);
    this.#owners = new Owners(options);
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

  /** Requests accepted whose response is not finished, and uploads that were answered early and still run; no health checks. */
  get inflight(): number {
    for (const [socket, request] of this.#uploads) {
      if (!request.complete) continue;
      this.#uploads.delete(socket);
      this.#active();
    }
    return this.#inflight - this.#aside + this.#uploads.size;
  }

  /** Health checks of HTTP/1.1 whose answer is not finished. */
  get aside(): number {
    return this.#aside;
  }

  /** HTTP/1.1 requests whose head has begun to arrive; checks every connection. */
  get arriving(): number {
    this.#arriving.look();
    return this.#arriving.begun.length;
  }

  /**
   * Monotonic time at which the newest connection came that has never sent data, at the last check; undefined without one.
   * @param isTold whether the caller at an address sends nothing more, and does not count
   */
  newestSilent(isTold: (address: string) => boolean): number | undefined {
    return this.#arriving.newestSilent(isTold);
  }

  /** Number of requests, by owner. */
  get counts(): Pick<Owners, 'started' | 'served' | 'afterAck'> {
    return this.#owners;
  }

  /** Monotonic time at which a request last started or ended; kept only while marking. */
  get lastActivity(): number {
    return this.#lastActivity;
  }

  /** Monotonic time at which a request last started; kept only while marking. */
  get lastBegun(): number {
    return this.#lastBegun;
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

  /** HTTP/1.1 connections. */
  get connections(): Connections {
    this.#arriving.look();
    const checks: Socket[] = [];
    const busy = [...this.#arriving.begun];
    const idle = [...this.#arriving.silent];
    const arriving = new Set(busy);
    for (const socket of this.#connections) {
      const connection = socket[CONNECTION];
      if (connection === undefined || arriving.has(socket)) continue;
      const isUploading = this.#uploads.get(socket)?.complete === false;
      const isIdle = connection.inflight === 0 || connection.isAside;
      if (!isIdle || isUploading) busy.push(socket);
      else (connection.isProbe ? checks : idle).push(socket);
    }
    return { busy, checks, idle };
  }

  /** Whether any connection is open, including HTTP/2 and silent ones, at the last check of arrivals. */
  get hasConnections(): boolean {
    return this.#connections.size + this.#sessions.size + this.#arriving.silentCount + this.#arriving.begun.length > 0;
  }

  /** Open HTTP/2 sessions. */
  get sessions(): readonly Session[] {
    return [...this.#sessions.values()];
  }

  /** Open HTTP/2 streams, including those without a waiting caller. */
  get streams(): readonly Stream[] {
    return [...this.#streams];
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
    for (const { http2, isConsumers } of this.#streams) if (isConsumers) this.#marking.stream(http2, value);
  }

  /** Whose connections end with their answer while the instance leaves; the clients then connect again, here or elsewhere. */
  set ending(ending: Ending) {
    this.#marking.ending = ending;
  }

  /** Stops marking: the offline was undone. */
  unmark(): void {
    this.#marker = undefined;
    this.#marking.ending = 'plain';
  }

  #listening(server: object): void {
    const kind = kindOf(server);
    if (kind === 'other' || isOwn(server)) return;
    const http = server as HttpServer;
    // A server that listens again while old connections are open has emitted no `close`.
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
      this.#sessions.set(session, { http2: session, openedAt: this.#options.clock.now(), connection: undefined });
      session.once(
        'close',
        this.#guarded('session', 'close', () => this.#sessions.delete(session)),
      );
    };
    server.on('session', this.#guarded('server', 'session', began));
  }

  /**
   * A sole upgrade listener of the plugin would turn plain requests with an `Upgrade` header into upgrades, so it is added only
   * beside one of the application.
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
    this.#owners.count(connection, this.#consumer.take(request), request, socket);
    this.#active(connection, true);
  }

  #requestStarted({ request, response, socket, server }: Exchange): void {
    const connection = socket[CONNECTION] ?? (isOwn(server) ? undefined : this.#track(socket));
    if (connection === undefined) return;
    connection.begin(response);
    this.#inflight++;
    this.#owners.count(connection, this.#consumer.take(request), request, socket);
    this.#setAside(connection, connection.isProbe && connection.inflight === 1);
    this.#active(connection, true);
    const isCheck = connection.isProbe && this.#isCheck(request, socket);
    if (this.#marker === undefined) return;
    if (isCheck) this.#marking.fail(response);
    else this.#marking.response(response, connection, this.#marker);
  }

  /** Whether it is a health check that a balancer follows; reports it. */
  #isCheck(request: Asked, socket: Socket): boolean {
    const { health, onCheck } = this.#options;
    const isCheck = health.isCheck(request);
    if (isCheck) onCheck(socket, request.headers, this.#marker !== undefined);
    return isCheck;
  }

  #responseFinished({ request, response, socket }: Exchange): void {
    const connection = socket?.[CONNECTION];
    if (connection === undefined || connection.inflight <= 0) return;
    connection.finish();
    this.#inflight--;
    this.#setAside(connection, false);
    this.#active(connection);
    if (!request.complete) this.#uploads.set(socket, request);
    if (this.#marker === undefined || response.statusCode >= 300 || typeof connection.owner === 'object') return;
    const path = this.#options.health.unknownCheck(request.url);
    if (path !== undefined) this.#options.onUnknownCheck(path);
  }

  #streamCreated(http2: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const session = http2.session as Tracked<ServerHttp2Session>;
    const known = session[CONNECTION];
    const connection = known ?? this.#trackSession(session);
    const header = headers[CONSUMER_HEADER] as string | undefined;
    if (header !== undefined) delete headers[CONSUMER_HEADER];
    const stream = new Stream(http2, headers, header !== undefined);
    connection.protocol = stream.isGrpc ? 'grpc' : 'h2';
    const { ':method': method, ':path': url } = headers as Readonly<Record<string, string | undefined>>;
    const request: Head = { url, method, headers, isAside: !stream.isAwaited };
    this.#owners.count(connection, header, request, session.socket);
    const { isProbe } = connection;
    if (isProbe) stream.isAwaited = false;
    const { isAwaited } = stream;
    if (isAwaited) this.#count(connection, 1);
    this.#streams.add(stream);
    const closed = (): void => {
      this.#streams.delete(stream);
      if (isAwaited) this.#count(connection, -1);
      if (isAwaited) this.#active(connection);
    };
    http2.once('close', this.#guarded('stream', 'close', closed));
    // Streams on an open session do not show whether new callers come.
    if (isAwaited) this.#active(connection, true, known === undefined);
    const isCheck = isProbe && this.#isCheck(request, session.socket);
    if (this.#marker === undefined) return;
    if (isCheck) this.#marking.failStream(http2);
    else if (stream.isConsumers) this.#marking.stream(http2, this.#marker);
  }

  /** Whether what is unfinished on a connection is nothing but a health check. */
  #setAside(connection: Connection, isAside: boolean): void {
    if (connection.isAside === isAside) return;
    connection.isAside = isAside;
    this.#aside += isAside ? 1 : -1;
  }

  /** Streams have begun, or have ended. */
  #count(connection: Connection, streams: 1 | -1): void {
    this.#inflight += streams;
    connection.inflight += streams;
  }

  /** A listener of the plugin among those of the application. */
  #guarded<Call extends unknown[]>(
    of: 'server' | 'session' | 'stream' | 'connection',
    event: string,
    listener: (...call: Call) => void,
  ): (...call: Call) => void {
    return this.#options.guard.listener(`the event ${event} of a ${of}`, listener);
  }

  /**
   * A request has started or ended: its caller may send the next one now. Calls of this process itself do not count, because it
   * would never be quiet; health checks have no waiting caller.
   */
  #active(of?: Connection, hasBegun = false, hasCome = hasBegun): void {
    if (this.#marker === undefined || of?.owner === 'self' || of?.isProbe) return;
    this.#lastActivity = this.#options.clock.now();
    if (hasBegun) this.#lastBegun = this.#lastActivity;
    if (of?.owner === 'unmanaged') this.#options.unmanaged.active(of, this.#lastActivity, hasCome);
  }

  #trackSession(session: Tracked<ServerHttp2Session>): Connection {
    const connection = new Connection();
    session[CONNECTION] = connection;
    const known = this.#sessions.get(session);
    if (known !== undefined) known.connection = connection;
    session.once(
      'close',
      this.#guarded('session', 'close', () => this.#owners.disown(connection)),
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
      const { inflight, owner } = connection;
      if (owner === 'unmanaged' && inflight === 0 && this.#marker === undefined && isOurs(socket))
        this.#options.unmanaged.idleClosed++;
      this.#inflight -= inflight;
      this.#setAside(connection, false);
      connection.inflight = Number.NEGATIVE_INFINITY;
      if (inflight > 0) this.#active(connection);
      this.#owners.disown(connection);
    };
    socket.once('close', this.#guarded('connection', 'close', closed));
    return connection;
  }
}

/** Whether this side has closed a connection, rather than its client or an error. */
function isOurs(socket: Socket): boolean {
  return !socket.readableEnded && socket.errored === null;
}
