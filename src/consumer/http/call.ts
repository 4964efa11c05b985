import type { Agent, ClientRequest, RequestOptions } from 'node:http';
import type { Socket } from 'node:net';
import { asError } from '../../errors.ts';
import { CONSUMER_HEADER } from '../../protocol/header.ts';
import type { CallContext } from '../call/call-context.ts';
import { CONNECT_MS } from '../call/connect-time.ts';
import { isUnsent, MOST_ATTEMPTS } from '../call/unsent.ts';
import type { Connections, OpenCall } from '../directory/connections.ts';
import type { Endpoint } from '../directory/endpoint.ts';
import type { Service } from '../directory/service.ts';
import { withPrebuilt } from './prebuilt-agent.ts';
import { forNoProxy, withoutProxy } from './proxied.ts';
import { setRequestHeader } from './request-head.ts';

/** `http.Agent.prototype.addRequest`: gives a request to the pool. Undocumented, and the same since Node.js 0.12 (`options` was a host then). */
export type AddRequest = (
  this: Agent,
  request: ClientRequest,
  options: AgentOptions,
  port?: unknown,
  localAddress?: unknown,
) => void;

/** The arguments for the pool. */
export type AgentOptions = Omit<RequestOptions, 'host' | 'port'> & {
  host?: string | null | undefined;
  port?: number | string | null | undefined;
};

/** `http.ClientRequest.prototype.onSocket`: gives a connection to a request, or says that there will be none. */
export type OnSocket = (socket: Socket | null | undefined, error?: Error | null) => void;

/** What the guard calls this. */
const HOOK = 'a request of node:http';

/** Symbol of the call of a request. */
const CALL = Symbol('lossless.call');

/** The error of Node.js for a connection that closed before it was established. */
function hungUp(): Error {
  return Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
}

/** The call of a request to a service. */
export function callOf(request: ClientRequest): HttpCall | undefined {
  return (request as { [CALL]?: HttpCall })[CALL];
}

/**
 * One request made with `node:http` or `node:https` to a service. It gets its connection only when that is established, so
 * nothing is written before: when its instance is isolated or refuses the connection, it moves to another one with its body
 * untouched. Pools stay those of the application's agent, one for each real address.
 */
export class HttpCall implements OpenCall {
  readonly #context: CallContext;
  readonly #service: Service;
  readonly #agent: Agent;
  readonly #addRequest: AddRequest;
  readonly #request: ClientRequest;
  readonly #options: AgentOptions;
  readonly #give: OnSocket;
  #endpoint: Endpoint | undefined;
  #connections: Connections | undefined;
  /** Stops waiting for a connection attempt. */
  #stopWaiting: (() => void) | undefined;
  #given = false;
  #attempts = 0;
  #tried: Set<Endpoint> | undefined;

  constructor(
    context: CallContext,
    service: Service,
    agent: Agent,
    addRequest: AddRequest,
    request: ClientRequest,
    options: AgentOptions,
  ) {
    this.#context = context;
    this.#service = service;
    this.#agent = withoutProxy(agent);
    this.#addRequest = addRequest;
    this.#request = request;
    this.#options = options;
    this.#give = request.onSocket as OnSocket;
    if (this.#agent !== agent) forNoProxy(request);
    setRequestHeader(request, CONSUMER_HEADER, context.header);
    request.on('close', () => this.#guarded(() => this.#end()));
    const mine = request as unknown as { onSocket: OnSocket; [CALL]?: HttpCall };
    mine.onSocket = (socket, error) => this.#guarded(() => this.#onSocket(socket, error), socket, error);
    mine[CALL] = this;
  }

  /**
   * Gives the request to the pool of the real address. The pool copies the options at once, so the address is set in them only
   * for that moment: copying them here would cost more than all the rest.
   */
  send(next?: Endpoint): void {
    // On a failure of the plugin the request goes where the application sent it.
    const endpoint = this.#context.guard.attempt(
      HOOK,
      () => this.#begin(next ?? this.#service.pick()),
      () => void this.#end(),
    );
    const options = this.#options;
    const { host, port } = options;
    if (endpoint !== undefined) {
      options.host = endpoint.target.host;
      options.port = endpoint.target.port;
    }
    try {
      if (endpoint?.prebuilt === undefined) this.#addRequest.call(this.#agent, this.#request, options);
      else
        withPrebuilt(this.#agent, endpoint.prebuilt, this.#context.guard, () =>
          this.#addRequest.call(this.#agent, this.#request, options),
        );
    } catch (thrown) {
      if (!isUnsent(thrown) || endpoint === undefined) {
        this.#end();
        throw thrown;
      }
      this.#failed(undefined, thrown as Error);
    } finally {
      options.host = host;
      options.port = port;
    }
  }

  #begin(endpoint: Endpoint | undefined): Endpoint | undefined {
    this.#attempts++;
    this.#endpoint = endpoint;
    this.#connections = endpoint?.connections;
    this.#connections?.add(this);
    return endpoint;
  }

  leave(): void {
    if (this.#given) this.#request.shouldKeepAlive = false;
    else if (this.#stopWaiting !== undefined) {
      this.#stopWaiting();
      this.#again();
    } else if (this.#unqueue()) this.#again();
  }

  /** The head of a response has come. @param marker the draining marker it carries, if any */
  answered(marker: string | undefined): void {
    if (this.#endpoint === undefined) return;
    this.#service.reached(this.#endpoint);
    if (marker !== undefined) this.#context.marked(this.#service, this.#endpoint, marker);
  }

  /** On a failure of the plugin the application gets the available connection, as without the plugin. */
  #guarded(work: () => void, socket?: Socket | null, error?: Error | null): void {
    this.#context.guard.attempt(HOOK, work, () => {
      if (this.#given || (!socket && !error)) return;
      const isGone = !socket || socket.destroyed;
      this.#given = true;
      this.#give.call(this.#request, isGone ? null : socket, error ?? (isGone ? hungUp() : undefined));
    });
  }

  /** The pool has a connection, perhaps one that is still being made. */
  #onSocket(socket: Socket | null | undefined, error?: Error | null): void {
    if (socket && !error) this.#connections?.own(socket);
    if (this.#given) this.#give.call(this.#request, socket, error);
    else if (error || !socket) this.#failed(socket, error ?? undefined);
    else if (socket.connecting && !this.#request.destroyed) this.#wait(socket);
    else this.#takeOrMove(socket);
  }

  #takeOrMove(socket: Socket): void {
    const { closed = false } = this.#connections ?? {};
    if (!closed || this.#attempts >= MOST_ATTEMPTS || this.#request.destroyed) this.#take(socket);
    else {
      socket.destroy();
      this.#again();
    }
  }

  #take(socket: Socket | null | undefined, error?: Error): void {
    this.#given = true;
    if (this.#connections?.closed) this.#request.shouldKeepAlive = false;
    this.#give.call(this.#request, socket, error);
  }

  #wait(socket: Socket): void {
    const request = this.#request;
    const ready = 'encrypted' in socket ? 'secureConnect' : 'connect';
    const { destroy } = request;
    const stop = (): void => {
      this.#stopWaiting = undefined;
      slow.cancel();
      socket.off(ready, onReady).off('timeout', onTimeout).off('error', onError).off('close', onClose);
      request.destroy = destroy;
    };
    const guarded = (work: (error: Error) => void) => (error: Error) => this.#guarded(() => work(error), socket, error);
    const onReady = guarded((): void => {
      stop();
      if (this.#endpoint !== undefined) this.#service.reached(this.#endpoint);
      this.#takeOrMove(socket);
    });
    const onError = guarded((error): void => {
      stop();
      this.#failed(socket, error);
    });
    const onClose = (): void => onError(hungUp());
    // The application's time-out runs from here too: the request gets the connection in its current state, and then the event.
    const onTimeout = guarded((): void => {
      stop();
      this.#take(socket);
      process.nextTick(() => socket.emit('timeout'));
    });
    // No answer: tries another instance. Without one, the application's time-outs decide, which begin with the connection.
    const onSlow = (): void => {
      const next = socket.connecting ? this.#free() : undefined;
      if (next === undefined) {
        stop();
        this.#take(socket);
      } else {
        this.#stopWaiting?.();
        this.#again(next);
      }
    };
    const slow = this.#context.clock.after(CONNECT_MS, () => this.#guarded(onSlow, socket));
    socket.on(ready, onReady).on('timeout', onTimeout).on('error', onError).on('close', onClose);
    request.destroy = (error) => {
      this.#guarded(stop);
      destroy.call(request, error);
      this.#take(socket);
      return request;
    };
    this.#stopWaiting = () => {
      stop();
      socket.on('error', () => {});
      socket.destroy();
    };
  }

  /** The connection to this instance has failed. */
  #failed(socket: Socket | null | undefined, error: Error | undefined): void {
    const next = isUnsent(error) && !this.#request.destroyed ? this.#other() : undefined;
    if (next === undefined) this.#take(socket?.destroyed ? null : socket, error);
    else this.#again(next);
  }

  /** The instance that takes the request instead of one that refused it. */
  #other(): Endpoint | undefined {
    const refused = this.#endpoint;
    if (refused === undefined || this.#attempts >= MOST_ATTEMPTS) return undefined;
    this.#service.rest(refused);
    this.#tried ??= new Set();
    this.#tried.add(refused);
    return this.#service.pick(this.#tried);
  }

  /** The same, without instances that may have gone: the slow one may still answer. */
  #free(): Endpoint | undefined {
    const other = this.#other();
    return other !== undefined && this.#service.addresses.includes(other.address) ? other : undefined;
  }

  /** The call of the application has returned, so an error of its agent becomes an event. */
  #again(next?: Endpoint): void {
    this.#end();
    try {
      this.send(next);
    } catch (thrown) {
      this.#take(null, asError(thrown));
    }
  }

  /** Takes the request out of the queue of its agent; false when it is not in it. */
  #unqueue(): boolean {
    const queues = (this.#agent as unknown as { requests: Record<string, ClientRequest[]> }).requests;
    for (const name in queues) {
      const queue = queues[name] ?? [];
      const index = queue.indexOf(this.#request);
      if (index < 0) continue;
      queue.splice(index, 1);
      if (queue.length === 0) delete queues[name];
      return true;
    }
    return false;
  }

  #end(): void {
    this.#connections?.remove(this);
    this.#connections = undefined;
  }
}
