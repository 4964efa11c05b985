import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Dispatcher } from 'undici';
import { asError, type ErrorCode } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { CallContext } from '../call/call-context.ts';
import { originOf } from '../directory/origin.ts';
import type { Service } from '../directory/service.ts';
import { type AgentClass, Agents } from './agents.ts';
import { onBirth } from './birth.ts';
import { UndiciCall } from './call.ts';
import { cover, type Dispatch, type Handler, type Options } from './cover.ts';
import { CURRENT, DISPATCHERS, LEGACY } from './dispatchers.ts';
import { fail } from './handlers.ts';
import { UndiciParts } from './parts.ts';

/** Published by every copy of undici for every request. */
const REQUEST_CREATE = 'undici:request:create';

/** Published when a server begins to listen: an application has usually set up by then what it calls with. */
const LISTEN = 'tracing:net.server.listen:asyncStart';

/** What undici and Node.js themselves set: for an environment proxy (NODE_USE_ENV_PROXY), for older copies, and else. */
const NOT_CHOSEN = ['Agent', 'EnvHttpProxyAgent', 'Dispatcher1Wrapper'];

/** The wrapper that undici 8 sets under the legacy symbol, around what it sets under the current one. */
const WRAPPER = 'Dispatcher1Wrapper';

/** What the guard calls this. */
const HOOK = 'a request of fetch or undici';

type Place = (typeof DISPATCHERS)[number];
type Globals = { [CURRENT]?: Dispatcher; [LEGACY]?: Dispatcher };

/** A dispatcher that is stood before. */
interface Covered {
  /** As it was found. */
  readonly target: Dispatcher;
  /** What is used in its place, in general itself. */
  readonly dispatcher: Dispatcher;
  undo(): void;
}

export interface UndiciHookOptions {
  readonly context: CallContext;
  readonly log: Log;
  /** Whether requests to `origin` must go through here. */
  readonly covers: (origin: string) => boolean;
}

/**
 * Stands before the global dispatcher of undici, which also carries the built-in fetch: requests to services are taken, all
 * others do not notice. The dispatcher is the one that the first copy of undici makes for itself, or that the application sets.
 */
export class UndiciHook {
  readonly #options: UndiciHookOptions;
  readonly #parts = new UndiciParts();
  /** By what was found and by what is used in its place. */
  readonly #covered = new WeakMap<Dispatcher, Covered>();
  /** Dispatchers through which requests to services come here. */
  readonly #standing = new WeakSet<Dispatcher>();
  /** Of every copy of undici whose `Agent` was seen. */
  readonly #agents = new Map<AgentClass, Agents>();
  readonly #onCreate: (message: unknown) => void;
  readonly #onListen: () => void;
  #looksSoon = false;
  /** Those that could not be covered as they should, each said once. */
  readonly #said = new Set<ErrorCode>();

  constructor(options: UndiciHookOptions) {
    const { guard } = options.context;
    this.#options = options;
    this.#onCreate = guard.listener(REQUEST_CREATE, (message) =>
      this.#created((message as { request: { origin?: unknown } }).request.origin),
    );
    this.#onListen = guard.listener(LISTEN, () => this.#coverSet());
  }

  install(): void {
    const globals = globalThis as Globals;
    for (const symbol of DISPATCHERS) {
      if (!(symbol in globals)) this.#coverLater(symbol);
      // Of one that was there before nobody can tell who set it, unless its kind does.
      else this.#coverPresent(symbol, !NOT_CHOSEN.includes(globals[symbol]?.constructor.name ?? ''));
    }
    subscribe(REQUEST_CREATE, this.#onCreate);
    subscribe(LISTEN, this.#onListen);
  }

  uninstall(): void {
    unsubscribe(REQUEST_CREATE, this.#onCreate);
    unsubscribe(LISTEN, this.#onListen);
    this.#looksSoon = false;
    const globals = globalThis as Globals;
    for (const symbol of DISPATCHERS) {
      const { value, get } = Object.getOwnPropertyDescriptor(globals, symbol) ?? {};
      if (get !== undefined) delete globals[symbol];
      const covered = value === undefined ? undefined : this.#covered.get(value);
      covered?.undo();
      if (covered !== undefined && covered.dispatcher !== covered.target) globals[symbol] = covered.target;
    }
  }

  /** Asked for by undici itself while it loads: it finds none and makes its own, which is stood before as it is made. */
  #coverLater(symbol: Place): void {
    const { guard } = this.#options.context;
    Object.defineProperty(globalThis, symbol, {
      configurable: true,
      enumerable: false,
      get: guard.listener(HOOK, () => {
        onBirth(guard.listener(HOOK, (made) => this.#cover(made, { isChosen: false, http2: symbol === CURRENT })));
        this.#lookSoon();
      }),
      set: (value: Dispatcher) => {
        define(symbol, value);
        guard.listener(HOOK, () => this.#coverPresent(symbol, true))();
      },
    });
  }

  /** When what runs now is done, and before anything that waits for the network: who loads undici often sets a dispatcher right after. */
  #lookSoon(): void {
    if (this.#looksSoon) return;
    this.#looksSoon = true;
    const look = this.#options.context.guard.listener(HOOK, () => {
      const looks = this.#looksSoon;
      this.#looksSoon = false;
      if (looks) this.#coverSet();
    });
    process.nextTick(look);
  }

  /** Covers dispatchers that the application has set since. Returns whether there was one. */
  #coverSet(): boolean {
    // Not by a read: that is what undici asks while it loads.
    const isSet = DISPATCHERS.map((symbol) => {
      const { value } = Object.getOwnPropertyDescriptor(globalThis, symbol) ?? {};
      return value !== undefined && this.#coverPresent(symbol, true);
    });
    return isSet.includes(true);
  }

  /** @param isChosen whether the application chose it */
  #coverPresent(symbol: Place, isChosen: boolean): boolean {
    const globals = globalThis as Globals;
    const present = globals[symbol];
    if (present === undefined || this.#standing.has(present)) return false;
    if (symbol === LEGACY && present.constructor.name === WRAPPER) {
      this.#wrapAgain(present);
      return false;
    }
    // Those who ask for a legacy one know no HTTP/2.
    const http2 = symbol === CURRENT && globals[LEGACY] !== present;
    globals[symbol] = this.#cover(present, { isChosen, http2 });
    return true;
  }

  /** The wrapper is around what undici 8 has set with it. That is covered by now; if another object stands there, so it must be here. */
  #wrapAgain(wrapper: Dispatcher): void {
    const globals = globalThis as Globals;
    const current = Object.getOwnPropertyDescriptor(globals, CURRENT)?.value as Dispatcher | undefined;
    const covered = current === undefined ? undefined : this.#covered.get(current);
    const isOther = covered !== undefined && covered.dispatcher !== covered.target;
    const Wrapper = wrapper.constructor as new (of: Dispatcher) => Dispatcher;
    if (isOther) globals[LEGACY] = new Wrapper(covered.dispatcher);
    this.#standing.add(globals[LEGACY] as Dispatcher);
  }

  #cover(target: Dispatcher, { isChosen, http2 }: { isChosen: boolean; http2: boolean }): Dispatcher {
    const known = this.#covered.get(target);
    if (known !== undefined) return known.dispatcher;
    const { context } = this.#options;
    const send = (service: Service, options: Options, handler: Handler): boolean => {
      if (isChosen)
        this.#sayOnce(
          'LOSSLESS_DISPATCHER_BYPASSED',
          `requests to services, as to ${service.name}, do not go through the global dispatcher that the application has set: its settings and interceptors do not hold for them`,
        );
      return this.#send(covered.dispatcher, http2, service, options, handler);
    };
    const { guard } = context;
    const route = (options: Options): ReturnType<CallContext['route']> => {
      const origin = originOf(options?.origin);
      return origin === undefined ? undefined : context.route(origin);
    };
    const take = (next: Dispatch, options: Options, handler: Handler): boolean => {
      const service = guard.attempt(HOOK, () => route(options), nothing);
      if (service === undefined) return next(options, handler);
      const go = (found: Service | undefined): boolean => {
        if (found === undefined) return next(options, handler);
        const { refusal } = found;
        if (refusal !== undefined) {
          fail(handler, refusal);
          return true;
        }
        return guard.attempt(
          HOOK,
          () => send(found, options, handler),
          () => next(options, handler),
        );
      };
      if (!(service instanceof Promise)) return go(service);
      service
        .then(go)
        // The application is no longer there to catch it. As undici says what is wrong before there is a connection.
        .catch((thrown) => fail(handler, asError(thrown)));
      return true;
    };
    const covered: Covered = {
      target,
      ...cover(target, {
        take,
        isService: (origin) => guard.attempt(HOOK, () => context.route(origin), nothing) !== undefined,
        onComposed: (composed) => this.#standing.add(composed),
      }),
    };
    const { dispatcher } = covered;
    this.#covered.set(target, covered).set(dispatcher, covered);
    this.#standing.add(dispatcher);
    if (isAgent(target)) this.#agentsFor(target.constructor as AgentClass, http2);
    return dispatcher;
  }

  #send(dispatcher: Dispatcher, http2: boolean, service: Service, options: Options, handler: Handler): boolean {
    const { context } = this.#options;
    const agents = this.#agentsOf(dispatcher, http2);
    if (agents === undefined) {
      const own = this.#agentsFor(this.#parts.Agent, true);
      const plain = { ...options, ...(!http2 && { allowH2: false }) };
      return new UndiciCall(context, own, service, plain, this.#parts.wrap(handler)).send();
    }
    const call: Dispatch = (step, each) => new UndiciCall(context, agents, service, step, each).send();
    if (!followsRedirects(options)) return call(options, handler);
    // Those who do not know that option say so.
    const step: Dispatch = (one, each) => (followsRedirects(one) ? call(one, each) : dispatcher.dispatch(one, each));
    return agents.following(step).dispatch(options, handler);
  }

  /** Those of the copy of undici that `dispatcher` is of; undefined when its `Agent` was never seen. */
  #agentsOf(dispatcher: Dispatcher, http2: boolean): Agents | undefined {
    if (isAgent(dispatcher)) return this.#agentsFor(dispatcher.constructor as AgentClass, http2);
    for (const [Agent, agents] of this.#agents) if (dispatcher instanceof baseOf(Agent)) return agents;
    return undefined;
  }

  #agentsFor(Agent: AgentClass, http2: boolean): Agents {
    const known = this.#agents.get(Agent);
    if (known !== undefined) return known;
    const { clock, guard } = this.#options.context;
    const agents = new Agents({ clock, guard, Agent, parts: this.#parts, http2 });
    this.#agents.set(Agent, agents);
    return agents;
  }

  /** A request whose origin is still a service went past: by a dispatcher of the application. */
  async #created(origin: unknown): Promise<void> {
    const text = originOf(origin);
    // Perhaps the first to this origin, by a global dispatcher that was set a moment ago.
    if (this.#coverSet() && text !== undefined) await this.#options.context.route(text);
    if (text === undefined || !this.#options.covers(text)) return;
    this.#sayOnce(
      'LOSSLESS_DISPATCHER_UNCOVERED',
      `a request to ${text} was made with a dispatcher of the application; such requests are not covered`,
    );
  }

  #sayOnce(code: ErrorCode, message: string): void {
    if (!this.#said.has(code)) this.#options.log('warn', message, { code });
    this.#said.add(code);
  }
}

function nothing(): undefined {}

function isAgent(dispatcher: Dispatcher): boolean {
  return dispatcher.constructor.name === 'Agent' && !process.getBuiltinModule('node:util').types.isProxy(dispatcher);
}

/** Whether undici 5 and 6 shall follow redirects, which is done above the agents of instances: each may lead elsewhere. */
function followsRedirects(options: Options): boolean {
  return Number((options as { maxRedirections?: number }).maxRedirections ?? 0) > 0;
}

/** `Dispatcher` of the copy of undici that has this `Agent`. */
function baseOf(Agent: AgentClass): new () => Dispatcher {
  return Object.getPrototypeOf(Object.getPrototypeOf(Agent));
}

/** As undici defines it, but configurable, so that it can be taken back. */
function define(symbol: symbol, value: Dispatcher): void {
  Object.defineProperty(globalThis, symbol, { value, writable: true, enumerable: false, configurable: true });
}
