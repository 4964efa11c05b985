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

/** Published when a server begins to listen: an application has usually set up by then what it calls with. */
const LISTEN = 'tracing:net.server.listen:asyncStart';

/** What undici and Node.js themselves set: for an environment proxy (NODE_USE_ENV_PROXY), for older copies, and else. */
const NOT_CHOSEN = ['Agent', 'EnvHttpProxyAgent', 'Dispatcher1Wrapper'];

/** The wrapper that undici 8 sets under the legacy symbol, around what it sets under the current one. */
const WRAPPER = 'Dispatcher1Wrapper';

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
  readonly #router: UndiciRouter;
  readonly #copies: UndiciCopies;
  /** By what was found and by what is used in its place. */
  readonly #covered = new WeakMap<Dispatcher, Covered>();
  /** Dispatchers through which requests to services come here. */
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
      // Of one that was there before nobody can tell who set it, unless its kind does.
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

  /** What a global dispatcher that is stood before does with a request. */
  #takeOf(target: Dispatcher, global: () => Global): CoverOptions['take'] {
    // What an agent does by itself, it does for services too; of any other only its place is known.
    if (isAgent(target)) return (next, options, handler) => next(options, handler);
    if (isMock(target)) return (next, options, handler) => asMocked(next)(options, handler);
    return (next, options, handler) =>
      this.#router.take(originOf(options?.origin), { options, handler, next }, (service) =>
        this.#router.sendGlobal(service, { options, handler }, global()),
      );
  }

  /** A request whose origin is still a service went past: by a dispatcher of the application. */
  async #created(origin: unknown): Promise<void> {
    const text = originOf(origin);
    // Perhaps the first to this origin, by a global dispatcher that was set a moment ago.
    if (this.#coverSet() && text !== undefined) await this.#options.context.route(text);
    if (text === undefined || !this.#options.covers(text)) return;
    this.#router.sayOnce(
      'LOSSLESS_DISPATCHER_UNCOVERED',
      `a request to ${text} bypassed the plugin, by a dispatcher of a copy of undici inside a bundle or by an H2CClient; use fetch without a dispatcher, or leave undici out of the bundle`,
    );
  }
}

/** As undici defines it, but configurable, so that it can be taken back. */
function define(symbol: symbol, value: Dispatcher): void {
  Object.defineProperty(globalThis, symbol, { value, writable: true, enumerable: false, configurable: true });
}
