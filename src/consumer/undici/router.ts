import type { Dispatcher } from 'undici';
import { asError, type ErrorCode } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { CallContext } from '../call/call-context.ts';
import type { Service } from '../directory/service.ts';
import { type AgentClass, Agents } from './agents.ts';
import { UndiciCall } from './call.ts';
import type { Dispatch, Handler, Options } from './cover.ts';
import { endsWith } from './ending.ts';
import { fail } from './handlers.ts';
import { UndiciParts } from './parts.ts';
import { isRouted, routed, unrouted } from './routed.ts';
import { NO_SETTINGS, type Settings } from './settings.ts';

/** What the guard calls this. */
export const HOOK = 'a request of fetch or undici';

/** A request of a dispatcher. */
export interface Given {
  readonly options: Options;
  readonly handler: Handler;
  /** The original dispatcher. */
  readonly next: Dispatch;
}

/** The global dispatcher of a request. */
export interface Global {
  readonly dispatcher: Dispatcher;
  /** Whether the application chose it. */
  readonly isChosen: boolean;
  readonly http2: boolean;
}

/** Decides for each request of undici whether it goes to a service, and sends such requests by agents of the same copy. */
export class UndiciRouter {
  readonly #context: CallContext;
  readonly #log: Log;
  readonly #parts = new UndiciParts();
  /** Agents of every copy of undici with a known `Agent`. */
  readonly #copies = new Map<AgentClass, Agents>();
  /** Agents for dispatchers of the application with settings of their own. */
  readonly #own = new WeakMap<Dispatcher, Agents>();
  /** Dispatchers that could not be covered completely, each logged once. */
  readonly #said = new Set<ErrorCode>();

  constructor(context: CallContext, log: Log) {
    this.#context = context;
    this.#log = log;
  }

  isService(origin: string): boolean {
    return this.#context.guard.attempt(HOOK, () => this.#context.route(origin), nothing) !== undefined;
  }

  /**
   * Passes a request to a service to `send`, and any other one to the original dispatcher.
   *
   * @param origin its origin, if known
   * @param send returns undefined when undici rejects the request: the original dispatcher then reports why
   * @param onWait called when the request waits for the first list of a service
   */
  take(
    origin: string | undefined,
    { options, handler, next }: Given,
    send: (service: Service, origin: string) => boolean | undefined,
    onWait: (found: Promise<unknown>) => void = nothing,
  ): boolean {
    const { guard } = this.#context;
    const pass = (): boolean => next(options, handler);
    if (origin === undefined || isRouted(options)) return pass();
    const service = guard.attempt(HOOK, () => this.#context.route(origin), nothing);
    if (service === undefined) return pass();
    const go = (found: Service | undefined): boolean => {
      if (found === undefined) return pass();
      const { refusal } = found;
      if (refusal === undefined) return guard.attempt(HOOK, () => send(found, origin), nothing) ?? pass();
      fail(handler, refusal);
      return true;
    };
    if (!(service instanceof Promise)) return go(service);
    onWait(service);
    service
      .then(go)
      // The call of the application has returned, so the error goes to the handler, as undici reports errors before a connection.
      .catch((thrown) => fail(handler, asError(thrown)));
    return true;
  }

  /** Sends a request of a global dispatcher. */
  sendGlobal(
    service: Service,
    { options, handler }: Omit<Given, 'next'>,
    { dispatcher, isChosen, http2 }: Global,
  ): boolean | undefined {
    if (isChosen) this.sayBypassed(service, 'the global dispatcher that the application has set');
    const agents = this.#agentsOf(dispatcher);
    if (agents === undefined) {
      const own = this.agentsFor(this.#parts.Agent, true);
      const plain = { ...options, ...(!http2 && { allowH2: false }) };
      return new UndiciCall(this.#context, own, service, plain, this.#parts.wrap(handler)).send();
    }
    return this.#sendBy(agents, service, options, handler, (step, each) => dispatcher.dispatch(step, each));
  }

  /** Sends a request of a dispatcher that the application has made, from the copy with this `Agent`. */
  sendOwn(
    service: Service,
    { options, handler }: Omit<Given, 'next'>,
    dispatcher: Dispatcher,
    agents: Agents,
  ): true | undefined {
    const isSent = this.#sendBy(agents, service, options, handler, (step, each) => dispatcher.dispatch(step, each));
    // The caller would wait for a `drain` of that dispatcher, which does not come from here.
    return isSent === undefined ? undefined : true;
  }

  /** @param step sends one step of a redirect: each may lead elsewhere */
  #sendBy(agents: Agents, service: Service, options: Options, handler: Handler, step: Dispatch): boolean | undefined {
    const call = (one: Options, each: Handler): boolean | undefined =>
      new UndiciCall(this.#context, agents, service, one, each).send();
    if (!followsRedirects(options)) return call(options, handler);
    // Copies without that option report it.
    const either: Dispatch = (one, each) =>
      (followsRedirects(one) ? call(one, each) : undefined) ?? step(unrouted(one), each);
    return agents.following(either).dispatch(routed(options), handler);
  }

  /** Agents of the copy of `dispatcher`; undefined when its `Agent` is unknown. */
  #agentsOf(dispatcher: Dispatcher): Agents | undefined {
    for (const [Agent, agents] of this.#copies) if (dispatcher instanceof baseOf(Agent)) return agents;
    return undefined;
  }

  /** @param http2 whether agents of that copy speak HTTP/2 unless a request forbids it */
  agentsFor(Agent: AgentClass, http2: boolean): Agents {
    const known = this.#copies.get(Agent);
    if (known !== undefined) return known;
    const agents = this.#agents(Agent, http2, NO_SETTINGS);
    this.#copies.set(Agent, agents);
    return agents;
  }

  /** Agents that connect, wait and end as this dispatcher of the application does. */
  agentsLike(dispatcher: Dispatcher, settings: Settings, Agent: AgentClass, http2: boolean): Agents {
    const known = this.#own.get(dispatcher);
    if (known !== undefined) return known;
    const agents = this.#agents(Agent, http2, settings);
    this.#own.set(dispatcher, agents);
    endsWith(dispatcher, agents, this.#context.guard);
    return agents;
  }

  #agents(Agent: AgentClass, http2: boolean, settings: Settings): Agents {
    const { clock, guard } = this.#context;
    return new Agents({ clock, guard, Agent, parts: this.#parts, http2, settings });
  }

  /** @param whose the bypassed dispatcher */
  sayBypassed({ name }: Service, whose: string): void {
    this.sayOnce(
      'LOSSLESS_DISPATCHER_BYPASSED',
      `requests to services, such as ${name}, bypass ${whose}: its settings and interceptors do not hold for them`,
    );
  }

  sayOnce(code: ErrorCode, message: string): void {
    if (!this.#said.has(code)) this.#log('warn', message, { code });
    this.#said.add(code);
  }
}

export function isAgent(dispatcher: Dispatcher): boolean {
  return dispatcher.constructor.name === 'Agent' && !process.getBuiltinModule('node:util').types.isProxy(dispatcher);
}

/** `Dispatcher` of the copy of undici that has this `Agent`. */
function baseOf(Agent: AgentClass): new () => Dispatcher {
  return Object.getPrototypeOf(Object.getPrototypeOf(Agent));
}

/** Whether undici 5 and 6 follow redirects, which happens above the agents of instances, because each step may lead elsewhere. */
function followsRedirects(options: Options): boolean {
  return Number((options as { maxRedirections?: number }).maxRedirections ?? 0) > 0;
}

function nothing(): undefined {}
