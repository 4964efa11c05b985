import type { ClientHttp2Session, SecureClientSessionOptions } from 'node:http2';
import type { Socket } from 'node:net';
import { rawSocket } from '../../io/raw-socket.ts';
import { type Connect, wrapConnect } from '../../process/http2-connect.ts';
import { onHttp2 } from '../../process/modules.ts';
import type { CallContext } from '../call/call-context.ts';
import type { Listed } from '../directory/directory.ts';
import type { Address } from '../directory/roster.ts';
import type { Service } from '../directory/service.ts';
import { dial, dialSecure, type Target } from './dial.ts';
import { ServiceSession } from './session.ts';

/** What the guard calls this. */
const HOOK = 'http2.connect';

type Options = SecureClientSessionOptions;
/** Where to, as it is given to `http2.connect`. */
type Authority = string | URL;

export interface Http2HookOptions {
  readonly context: CallContext;
  /** The instance that is listed at an address, of the service of this name first. */
  readonly at: (address: Address, host: string) => Listed | undefined;
}

/** A connection that leads to an instance of a service. */
interface Dialled {
  readonly options: Options;
  /** Undefined: its service has turned out to be none. */
  readonly listed: Listed | Promise<Listed | undefined> | undefined;
}

/**
 * Wraps `http2.connect`, through which every client of HTTP/2 goes: a session to the name of a service gets a connection to a picked
 * instance, and that or one to a listed address is followed until it closes. A session has one connection, so its requests all go to
 * one instance. Those of undici are covered above it.
 */
export class Http2Hook {
  readonly #options: Http2HookOptions;
  readonly #undo: (() => void)[] = [];

  constructor(options: Http2HookOptions) {
    this.#options = options;
  }

  install(): void {
    this.#undo.push(onHttp2(this.#options.context.guard, () => this.#wrap()));
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
        const dialled = guard.attempt(HOOK, () => this.#dial(authority, options), nothing);
        const session = connect(authority, dialled?.options ?? options, heard);
        guard.attempt(HOOK, () => this.#follow(session as ClientHttp2Session, authority, dialled), nothing);
        return session;
      };
      return covered as Connect;
    };
    this.#undo.push(wrapConnect(wrap));
  }

  /** @returns undefined when the application makes the connection itself, or it does not go to a service */
  #dial(authority: Authority, options: Options = {}): Dialled | undefined {
    const url = URL.parse(`${authority}`);
    if (url === null || options.createConnection !== undefined) return undefined;
    const { hostname, port, protocol } = url;
    const found = this.#options.context.route(hostname);
    if (found === undefined) return undefined;
    const plain = { host: hostname, port: Number(port) || (protocol === 'https:' ? 443 : 80) };
    const picked = found instanceof Promise ? found.then(pick).catch(nothing) : pick(found);
    const target =
      picked instanceof Promise ? picked.then((listed) => targetOf(listed, plain)) : targetOf(picked, plain);
    const isSecure = protocol === 'https:';
    const createConnection = (): Socket => {
      const socket = isSecure ? dialSecure(target, hostname, options) : dial(target);
      void Promise.resolve(picked).then((listed) => listed && restIfRefused(socket, listed));
      return socket;
    };
    return { options: { ...options, createConnection }, listed: picked };
  }

  #follow(session: ClientHttp2Session, authority: Authority, dialled: Dialled | undefined): void {
    const { context, at } = this.#options;
    const { guard } = context;
    // By name: its requests count from the first one on, which may be made before the connection stands.
    const known = dialled?.listed instanceof Promise ? undefined : dialled?.listed;
    const early = dialled && new ServiceSession(context, session, known);
    const connected = async (): Promise<void> => {
      if (isOfUndici(session)) return;
      const socket = rawSocket(session);
      const listed = dialled === undefined ? at(peerOf(socket), hostOf(authority)) : await dialled.listed;
      if (listed !== undefined) (early ?? new ServiceSession(context, session, listed)).join(listed, socket);
    };
    session.once('connect', guard.listener(HOOK, connected));
  }
}

function pick(service: Service | undefined): Listed | undefined {
  const endpoint = service?.pickAmong('h2', () => true);
  return service && endpoint && { service, endpoint };
}

function targetOf(listed: Listed | undefined, plain: Target): Target {
  return listed?.endpoint.targetOf('h2') ?? plain;
}

/** The next session goes elsewhere. */
function restIfRefused(socket: Socket, { service, endpoint }: Listed): void {
  const refused = (): void => service.rest(endpoint);
  socket.once('error', refused);
  socket.once('connect', () => socket.off('error', refused));
}

/** The host that was dialled, which may be a name, and its port. */
function peerOf(socket: Socket & { readonly _host?: unknown }): Address {
  const { _host: dialled, remoteAddress = '', remotePort = 0 } = socket;
  return { host: typeof dialled === 'string' ? dialled : remoteAddress, port: remotePort };
}

function hostOf(authority: Authority): string {
  return URL.parse(`${authority}`)?.hostname ?? '';
}

/** Whether undici has made it: it notes its client and socket on each of its sessions. */
function isOfUndici(session: object): boolean {
  const notes = Object.getOwnPropertySymbols(session).map(({ description }) => description);
  return notes.includes('client') && notes.includes('socket');
}

function nothing(): undefined {}
