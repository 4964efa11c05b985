import type { ClientHttp2Session, SecureClientSessionOptions } from 'node:http2';
import type { Socket } from 'node:net';
import { rawSocket } from '../../io/raw-socket.ts';
import type { Log } from '../../log.ts';
import { type Connect, wrapConnect } from '../../process/http2-connect.ts';
import { onBuiltin } from '../../process/modules.ts';
import { hostPort } from '../../protocol/host-port.ts';
import type { CallContext } from '../call/call-context.ts';
import type { Listed } from '../directory/directory.ts';
import type { Address } from '../directory/roster.ts';
import type { Service } from '../directory/service.ts';
import { dial, dialSecure } from './dial.ts';
import { Leg } from './leg.ts';
import { ServiceSession, watchStreams } from './session.ts';

/** What the guard calls this. */
const HOOK = 'http2.connect';

/** Node.js passes them to `net.connect` or `tls.connect`, where they win over the authority. */
type Options = SecureClientSessionOptions & { readonly host?: string; readonly port?: number; readonly path?: string };
/** The destination, as given to `http2.connect`. */
type Authority = string | URL;

export interface Http2HookOptions {
  readonly context: CallContext;
  readonly log: Log;
  /** The instance at an address, of the service of this name first. */
  readonly at: (address: Address, host: string) => Listed | undefined;
}

/**
 * Wraps `http2.connect`, through which every HTTP/2 client goes. A session to the name of a service gets a connection to a picked
 * instance. The plugin follows such a session, and one to a listed address, until it closes. A session has one connection, so all
 * its requests go to one instance. Sessions of undici are covered by its own hook.
 */
export class Http2Hook {
  readonly #options: Http2HookOptions;
  /** Services without an instance that accepts a connection; logged once for each until one does. */
  readonly #failing = new WeakSet<Service>();
  /** Services that the application calls elsewhere; logged once for each. */
  readonly #elsewhere = new WeakSet<Service>();
  readonly #undo: (() => void)[] = [];

  constructor(options: Http2HookOptions) {
    this.#options = options;
  }

  install(): void {
    this.#undo.push(onBuiltin('http2', this.#options.context.guard, () => this.#wrap()));
  }

  uninstall(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #wrap(): void {
    const { guard } = this.#options.context;
    const wrap = (connect: Connect): Connect => {
      const covered = (
        authority: Authority,
        given?: Options | (() => void),
        listener?: () => void,
      ): NodeJS.EventEmitter => {
        const [options, heard] = typeof given === 'function' ? [undefined, given] : [given, listener];
        const leg = guard.attempt(HOOK, () => this.#legTo(authority, options), nothing);
        const session = connect(authority, leg === undefined ? options : leading(leg, authority, options), heard);
        guard.attempt(HOOK, () => this.#follow(session as ClientHttp2Session, authority, leg), nothing);
        return session;
      };
      return covered as Connect;
    };
    this.#undo.push(wrapConnect(wrap), watchStreams(guard));
  }

  /** @returns undefined when the application says where the connection leads, or it does not go to a service */
  #legTo(authority: Authority, options: Options = {}): Leg | undefined {
    const url = URL.parse(`${authority}`);
    if (url === null || isDirected(options)) return undefined;
    const { hostname: host, port, protocol } = url;
    const { context } = this.#options;
    const found = context.route(host);
    if (found === undefined) return undefined;
    const plain = { host, port: Number(port) || (protocol === 'https:' ? 443 : 80) };
    return new Leg({ context, found, plain, onFailed: (service, error) => this.#failed(service, error) });
  }

  #failed(service: Service, { message }: Error): void {
    if (this.#failing.has(service)) return;
    this.#failing.add(service);
    const code = 'LOSSLESS_SESSION_REFUSED';
    this.#options.log('warn', `no instance of ${service.name} takes a connection of HTTP/2: ${message}`, { code });
  }

  #missed(service: Service, peer: Address): void {
    if (this.#elsewhere.has(service)) return;
    this.#elsewhere.add(service);
    const code = 'LOSSLESS_SESSION_UNCOVERED';
    const message = `an HTTP/2 session to ${service.name} leads to ${hostPort(peer)}, where no instance is listed: its calls are not covered`;
    this.#options.log('warn', message, { code });
  }

  #follow(session: ClientHttp2Session, authority: Authority, leg: Leg | undefined): void {
    const { context, at } = this.#options;
    const { guard } = context;
    // By name: its requests count from the first one, which may come before the connection.
    const early = leg && new ServiceSession(context, session, leg);
    if (leg !== undefined) leg.session = session;
    const connected = (): void => {
      if (isOfUndici(session)) return;
      const socket = rawSocket(session);
      const join = (listed: Listed): void => {
        this.#failing.delete(listed.service);
        (early ?? new ServiceSession(context, session, { listed })).join(listed, socket);
      };
      const host = hostOf(authority);
      const peer = peerOf(socket);
      const listed = leg === undefined ? at(peer, host) : leg.listed;
      // To a name, whose instances may not have been asked for yet.
      const found = (service: Service | undefined): void => {
        const late = at(peer, host);
        if (late !== undefined) join(late);
        else if (service !== undefined) this.#missed(service, peer);
      };
      if (listed !== undefined) join(listed);
      else if (leg === undefined) void Promise.resolve(context.route(host)).then(guard.listener(HOOK, found), nothing);
    };
    // Before the listeners of the application, which may send requests.
    session.prependOnceListener('connect', guard.listener(HOOK, connected));
  }
}

/** Whether the options name the destination, whatever the authority is. grpc-js 1.10 to 1.12 does that over TLS. */
function isDirected({ createConnection, host, path, port }: Options): boolean {
  return [createConnection, host, path, port].some((given) => given !== undefined);
}

/** The options of `http2.connect` for such a session. */
function leading(leg: Leg, authority: Authority, options: Options = {}): Options {
  const { protocol, hostname } = new URL(authority);
  const createConnection = (): Socket => (protocol === 'https:' ? dialSecure(leg, hostname, options) : dial(leg));
  return { ...options, createConnection };
}

/** The host that was dialled, which may be a name, and its port. */
function peerOf(socket: Socket & { readonly _host?: unknown }): Address {
  const { _host: dialled, remoteAddress = '', remotePort = 0 } = socket;
  return { host: typeof dialled === 'string' ? dialled : remoteAddress, port: remotePort };
}

function hostOf(authority: Authority): string {
  return URL.parse(`${authority}`)?.hostname ?? '';
}

/** Whether undici has made it: undici stores its client and socket on each of its sessions. */
function isOfUndici(session: object): boolean {
  const notes = Object.getOwnPropertySymbols(session).map(({ description }) => description);
  return notes.includes('client') && notes.includes('socket');
}

function nothing(): undefined {}
