import type { Agent, Dispatcher } from 'undici';
import { DRAINING_HEADER } from '../protocol/header.ts';
import type { CallContext } from './call-context.ts';
import type { Connections } from './connections.ts';
import type { Endpoint } from './endpoint.ts';
import { authorityOf, originOf } from './origin.ts';
import type { Service } from './service.ts';
import { type UndiciHeaders, withHeaders } from './undici-headers.ts';
import { isUnsent, MOST_ATTEMPTS } from './unsent.ts';

type Handler = Dispatcher.DispatchHandler;
type Controller = Dispatcher.DispatchController;

/** Handlers made for older versions have more methods; they are passed on. */
type AnyHandler = Handler & {
  onBodySent?(chunk: unknown): void;
  onRequestSent?(): void;
  onResponseStarted?(): void;
};

/** Thrown where undici is about to write: the instance was isolated while the request waited. */
const ISOLATED = new Error('the instance was isolated before the request was written');

/**
 * One request made with undici or fetch to a service: sends it to a picked instance, and as long as nothing was written to
 * another one when that is isolated or refuses the connection. The body is untouched until then, whatever its type.
 */
export class UndiciCall implements Handler {
  readonly #context: CallContext;
  readonly #createAgent: (endpoint: Endpoint) => Agent;
  readonly #service: Service;
  readonly #options: Dispatcher.DispatchOptions;
  readonly #handler: AnyHandler;
  readonly #isSecure: boolean;
  #endpoint: Endpoint | undefined;
  #connections: Connections | undefined;
  #started = false;
  #attempts = 0;
  #tried: Set<Endpoint> | undefined;

  constructor(
    context: CallContext,
    createAgent: (endpoint: Endpoint) => Agent,
    service: Service,
    options: Dispatcher.DispatchOptions,
    handler: Handler,
  ) {
    this.#context = context;
    this.#createAgent = createAgent;
    this.#service = service;
    const origin = originOf(options.origin) ?? '';
    this.#isSecure = origin.startsWith('https:');
    this.#options = {
      ...options,
      headers: withHeaders(options.headers as UndiciHeaders, authorityOf(origin), context.header) as Record<
        string,
        string
      >,
    };
    this.#handler = handler;
  }

  /** Sends it. Returns false when the caller should wait for `drain`, as undici does. */
  send(endpoint: Endpoint | undefined = this.#service.pick()): boolean {
    if (endpoint === undefined) throw ISOLATED;
    this.#attempts++;
    this.#endpoint = endpoint;
    this.#connections = endpoint.connections;
    this.#connections.begin();
    const origin = this.#isSecure ? endpoint.origins.https : endpoint.origins.http;
    return this.#connections.agent(this.#createAgent, endpoint).dispatch({ ...this.#options, origin }, this);
  }

  onRequestStart(controller: Controller, context: unknown): void {
    if (this.#connections?.closed && this.#attempts < MOST_ATTEMPTS) throw ISOLATED;
    this.#started = true;
    this.#handler.onRequestStart?.(controller, context);
  }

  onRequestUpgrade(...call: Parameters<NonNullable<Handler['onRequestUpgrade']>>): void {
    call[3].once('close', () => this.#end());
    this.#handler.onRequestUpgrade?.(...call);
  }

  onResponseStart(...call: Parameters<NonNullable<Handler['onResponseStart']>>): void {
    const marker = call[2][DRAINING_HEADER];
    if (typeof marker === 'string' && this.#endpoint !== undefined)
      this.#context.marked(this.#service, this.#endpoint, marker);
    this.#handler.onResponseStart?.(...call);
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk);
  }

  onResponseEnd(...call: Parameters<NonNullable<Handler['onResponseEnd']>>): void {
    this.#end();
    this.#handler.onResponseEnd?.(...call);
  }

  onResponseError(controller: Controller, error: Error): void {
    const endpoint = this.#endpoint;
    this.#end();
    const next = this.#started || endpoint === undefined ? undefined : this.#next(endpoint, error);
    if (next === undefined) this.#handler.onResponseError?.(controller, error);
    else this.send(next);
  }

  onBodySent(chunk: unknown): void {
    this.#handler.onBodySent?.(chunk);
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.();
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.();
  }

  /** The instance that takes the request instead; undefined: the failure is final. */
  #next(endpoint: Endpoint, error: Error): Endpoint | undefined {
    if (error === ISOLATED) return this.#service.pick();
    if (!isUnsent(error) || this.#attempts >= MOST_ATTEMPTS) return undefined;
    this.#service.rest(endpoint);
    this.#tried ??= new Set();
    this.#tried.add(endpoint);
    return this.#service.pick(this.#tried);
  }

  #end(): void {
    const connections = this.#connections;
    this.#connections = undefined;
    connections?.end();
  }
}
