import type { Duplex } from 'node:stream';
import type { CallContext } from '../call/call-context.ts';
import { isUnsent, MOST_ATTEMPTS } from '../call/unsent.ts';
import type { Connections, OpenAgent } from '../directory/connections.ts';
import type { Endpoint } from '../directory/endpoint.ts';
import { authorityOf, originOf } from '../directory/origin.ts';
import type { Service } from '../directory/service.ts';
import type { Agents } from './agents.ts';
import type { Handler, Options } from './cover.ts';
import { listening, type Progress } from './handlers.ts';
import { type UndiciHeaders, withHeaders } from './headers.ts';
import { routed } from './routed.ts';

/** What the guard calls this. */
const HOOK = 'an upgraded connection of undici';

/** Thrown just before undici writes: the instance was isolated while the request waited. */
const ISOLATED = new Error('the instance was isolated before the request was written');

/**
 * One request of undici or fetch to a service. It goes to a picked instance, and, while nothing is written, to another one when
 * that is isolated or refuses the connection. The body of any type is untouched until then.
 */
export class UndiciCall implements Progress {
  readonly #context: CallContext;
  readonly #agents: Agents;
  readonly #service: Service;
  readonly #options: Options;
  readonly #headers: NonNullable<Options['headers']>;
  readonly #handler: Handler;
  readonly #isSecure: boolean;
  #endpoint: Endpoint | undefined;
  #connections: Connections | undefined;
  #agent: OpenAgent | undefined;
  #started = false;
  #hasEnded = false;
  #attempts = 0;
  #tried: Set<Endpoint> | undefined;

  constructor(context: CallContext, agents: Agents, service: Service, options: Options, handler: Handler) {
    this.#context = context;
    this.#agents = agents;
    this.#service = service;
    const origin = originOf(options.origin) ?? '';
    this.#isSecure = origin.startsWith('https:');
    this.#options = options;
    this.#headers = withHeaders(options.headers as UndiciHeaders, authorityOf(origin), context.header) as Record<
      string,
      string
    >;
    this.#handler = listening(handler, this, context.guard);
    agents.begin();
  }

  /**
   * Sends it.
   *
   * @returns as undici: false when the caller should wait for `drain`; undefined when undici rejects the request
   */
  send(endpoint: Endpoint | undefined = this.#service.pick()): boolean | undefined {
    if (endpoint === undefined) return this.#notTaken();
    this.#attempts++;
    this.#endpoint = endpoint;
    const { connections } = endpoint;
    this.#agent = this.#agents.to(this.#service, endpoint);
    const origin = this.#isSecure ? endpoint.origins.https : endpoint.origins.http;
    this.#connections = connections;
    connections.begin();
    try {
      return this.#agent.dispatch(routed(this.#options, { origin, headers: this.#headers }), this.#handler);
    } catch {
      // For example, its handler is from another copy: without the plugin the application gets that error too.
      return this.#notTaken();
    }
  }

  starts(): void {
    if (this.#agents.failure !== undefined) throw this.#agents.failure;
    if (this.#connections?.closed && this.#attempts < MOST_ATTEMPTS) throw ISOLATED;
    this.#started = true;
  }

  answered(find: () => string | undefined): void {
    if (this.#endpoint === undefined) return;
    this.#service.reached(this.#endpoint);
    const marker = find();
    if (marker !== undefined) this.#context.marked(this.#service, this.#endpoint, marker);
  }

  upgraded(socket: Duplex): void {
    this.#agent?.upgraded(socket);
    this.#end();
    socket.once(
      'close',
      this.#context.guard.listener(HOOK, () => this.#leave()),
    );
  }

  ended(): void {
    this.#leave();
    this.#end();
  }

  moves(error: Error): boolean {
    const endpoint = this.#endpoint;
    this.#leave();
    const isFinal = this.#started || endpoint === undefined || this.#agents.failure !== undefined;
    const next = isFinal ? undefined : this.#next(endpoint, error);
    // Its first error says more than a second refusal.
    if (next !== undefined && this.send(next) !== undefined) return true;
    this.#end();
    return false;
  }

  #notTaken(): undefined {
    this.ended();
  }

  #end(): void {
    if (!this.#hasEnded) this.#agents.end();
    this.#hasEnded = true;
  }

  /** It is not at that instance any more. */
  #leave(): void {
    const connections = this.#connections;
    this.#connections = undefined;
    connections?.end();
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
}
