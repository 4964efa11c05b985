import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Dispatcher } from 'undici';
import type { Log } from '../../log.ts';
import type { CallContext } from '../call/call-context.ts';
import { originOf } from '../directory/origin.ts';
import type { AgentClass } from './agents.ts';
import { onBirth } from './birth.ts';
import { UndiciCopies } from './copies.ts';
import { type CoverOptions, cover } from './cover.ts';
import { CURRENT, DISPATCHERS, LEGACY } from './dispatchers.ts';
import { asMocked, isMock } from './mocks.ts';
import { type Global, HOOK, isAgent, UndiciRouter } from './router.ts';

/** Published by every copy of undici for every request. */
const REQUEST_CREATE = 'undici:request:create';

/** Published when a server begins to listen; by then an application has usually set up its clients. */
const LISTEN = 'tracing:net.server.listen:asyncStart';

/**
 * Class names of dispatchers that undici and Node.js set themselves: for an environment proxy (NODE_USE_ENV_PROXY), for older
 * copies, and by default.
 */
const NOT_CHOSEN = ['Agent', 'EnvHttpProxyAgent', 'Dispatcher1Wrapper'];

/** The wrapper that undici 8 sets under the legacy symbol, around the dispatcher under the current one. */
const WRAPPER = 'Dispatcher1Wrapper';

type Place = (typeof DISPATCHERS)[number];
type Globals = { [CURRENT]?: Dispatcher; [LEGACY]?: Dispatcher };

/** A covered dispatcher. */
interface Covered {
  /** The original one. */
  readonly target: Dispatcher;
  /** The one used in its place, usually itself. */
  readonly dispatcher: Dispatcher;
  undo(): void;
}

export interface UndiciHookOptions {
  readonly context: CallContext;
  readonly log: Log;
  /** Whether requests to `origin` must go through the plugin. */
  readonly covers: (origin: string) => boolean;
}

/**
 * Covers the global dispatcher of undici, which the built-in fetch uses too: takes requests to services and leaves all others. It
 * is the dispatcher that the first copy of undici makes, or that the application sets.
 */
export class UndiciHook {
  readonly #options: UndiciHookOptions;
  readonly #router: UndiciRouter;
  readonly #copies: UndiciCopies;
  /** By the original and by the dispatcher in its place. */
  readonly #covered = new WeakMap<Dispatcher, Covered>();
  /** Dispatchers whose requests to services come here. */
  readonly #standing = new WeakSet<Dispatcher>();
  readonly #onCreate: (message: unknown) => void;
  readonly #onListen: () => void;
  #looksSoon = false;

  constructor(options: UndiciHookOptions) {
    const { context, log } = options;
    const { guard } = context;
    this.#options = options;
    this.#router = new UndiciRouter(context, log);
    this.#copies = new UndiciCopies(this.#router, guard);
    this.#onCreate = guard.listener(REQUEST_CREATE, (message) =>
      this.#created((message as { request: { origin?: unknown } }).request.origin),
    );
    this.#onListen = guard.listener(LISTEN, () => this.#coverSet());
  }

  install(): void {
    const globals = globalThis as Globals;
    for (const symbol of DISPATCHERS) {
      if (!(symbol in globals)) this.#coverLater(symbol);
      // Only the kind of an earlier dispatcher can show who set it.
      else this.#coverPresent(symbol, !NOT_CHOSEN.includes(globals[symbol]?.constructor.name ?? ''));
    }
    this.#copies.install();
    subscribe(REQUEST_CREATE, this.#onCreate);
    subscribe(LISTEN, this.#onListen);
  }

  uninstall(): void {
    unsubscribe(REQUEST_CREATE, this.#onCreate);
    unsubscribe(LISTEN, this.#onListen);
    this.#copies.uninstall();
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

  /** undici itself reads it while it loads: it finds none and makes its own, which is covered during its construction. */
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

  /** In a microtask, before any network event: code that loads undici often sets a dispatcher right after. */
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
    let isSet = false;
    for (const symbol of DISPATCHERS) {
      // Not by a getter, because undici reads it while it loads.
      const value = Object.getOwnPropertyDescriptor(globalThis, symbol)?.value;
      if (value !== undefined && !this.#standing.has(value)) isSet = this.#coverPresent(symbol, true) || isSet;
    }
    return isSet;
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
    // Readers of the legacy symbol do not speak HTTP/2.
    const http2 = symbol === CURRENT && globals[LEGACY] !== present;
    globals[symbol] = this.#cover(present, { isChosen, http2 });
    return true;
  }

  /**
   * The wrapper surrounds the dispatcher that undici 8 has set with it, which is covered by now; if a proxy has replaced that
   * one, the wrapper must use it too.
   */
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
    const router = this.#router;
    if (isAgent(target)) this.#copies.add(target.constructor as AgentClass, { http2 });
    const take = this.#takeOf(target, () => ({ dispatcher: covered.dispatcher, isChosen, http2 }));
    const covered: Covered = {
      target,
      ...cover(target, {
        take,
        isService: (origin) => router.isService(origin),
        onComposed: (composed) => this.#standing.add(composed),
      }),
    };
    const { dispatcher } = covered;
    this.#covered.set(target, covered).set(dispatcher, covered);
    this.#standing.add(dispatcher);
    return dispatcher;
  }

  /** Handles a request of a covered global dispatcher. */
  #takeOf(target: Dispatcher, global: () => Global): CoverOptions['take'] {
    // A plain agent keeps its behaviour for services; of any other dispatcher only its role is known.
    if (isAgent(target)) return (next, options, handler) => next(options, handler);
    if (isMock(target)) return (next, options, handler) => asMocked(next)(options, handler);
    return (next, options, handler) =>
      this.#router.take(originOf(options?.origin), { options, handler, next }, (service) =>
        this.#router.sendGlobal(service, { options, handler }, global()),
      );
  }

  /** Perhaps the first request to this origin, by a global dispatcher that was set a moment ago. */
  #created(origin: unknown): Promise<void> | undefined {
    const text = originOf(origin);
    if (this.#coverSet() && text !== undefined) return this.#createdByNew(text);
    if (text !== undefined) this.#checkBypassed(text);
    return undefined;
  }

  async #createdByNew(origin: string): Promise<void> {
    await this.#options.context.route(origin);
    this.#checkBypassed(origin);
  }

  /** Logs a request to a service that bypassed the plugin, by a dispatcher of the application. */
  #checkBypassed(origin: string): void {
    if (!this.#options.covers(origin)) return;
    this.#router.sayOnce(
      'LOSSLESS_DISPATCHER_UNCOVERED',
      `a request to ${origin} bypassed the plugin, by a dispatcher of a copy of undici inside a bundle or by an H2CClient; use fetch without a dispatcher, or leave undici out of the bundle`,
    );
  }
}

/** Defined as by undici, but configurable, so that it can be restored. */
function define(symbol: symbol, value: Dispatcher): void {
  Object.defineProperty(globalThis, symbol, { value, writable: true, enumerable: false, configurable: true });
}
