import type { Dispatcher } from 'undici';
import type { Guard } from '../../guard.ts';
import { onPackage } from '../../process/modules.ts';
import { originOf } from '../directory/origin.ts';
import type { Service } from '../directory/service.ts';
import type { AgentClass, Agents } from './agents.ts';
import { type Composable, composing, type Dispatch, type Handler, type Options } from './cover.ts';
import { asMocked } from './mocks.ts';
import { isRouted } from './routed.ts';
import { type Given, HOOK, type UndiciRouter } from './router.ts';
import { isBound, NO_SETTINGS, originOfPool, type Settings, settingsOf } from './settings.ts';

/** The first major whose dispatchers speak HTTP/2 unless that is forbidden. */
const HTTP2_SINCE = 8;

/** What undici and Node.js call dispatchers that only go by the proxy of the environment. */
const ENVIRONMENT_PROXY = 'EnvHttpProxyAgent';

/** All but those that are composed. */
type Closable = Dispatcher & { readonly closed: boolean; readonly destroyed: boolean };

/** What is known of a dispatcher of the application. */
interface Known {
  /** Where all its requests go; undefined: each says that. */
  readonly origin: string | undefined;
  readonly isBound: boolean;
  /** Undefined: it tells none. */
  readonly settings: Settings | undefined;
}

/**
 * Stands before every dispatcher of every copy of undici that the application makes for itself: agents, pools, clients, and what
 * is built on them. All of a copy share one method, and hand requests on to each other by it: the first one decides.
 */
export class UndiciCopies {
  readonly #router: UndiciRouter;
  readonly #guard: Guard;
  /** How to leave each class of dispatchers as it was, by its prototype. */
  readonly #undo = new Map<Dispatcher, () => void>();
  readonly #known = new WeakMap<Dispatcher, Known>();
  #end: () => void = () => {};

  constructor(router: UndiciRouter, guard: Guard) {
    this.#router = router;
    this.#guard = guard;
  }

  install(): void {
    this.#end = onPackage('undici', this.#guard, ({ exports, version }) => {
      const { Agent, MockAgent } = exports as { Agent: AgentClass; MockAgent: AgentClass };
      this.#spare(MockAgent.prototype);
      this.add(Agent, { http2: Number.parseInt(version, 10) >= HTTP2_SINCE });
    });
  }

  uninstall(): void {
    this.#end();
    for (const undo of this.#undo.values()) undo();
    this.#undo.clear();
  }

  /**
   * Stands before the dispatchers of the copy that has this `Agent`.
   *
   * @param http2 whether they speak HTTP/2 unless a request forbids it
   */
  add(Agent: AgentClass, { http2 }: { readonly http2: boolean }): void {
    this.#router.agentsFor(Agent, http2);
    const prototype = Object.getPrototypeOf(Agent.prototype) as Closable;
    if (this.#undo.has(prototype)) return;
    const { dispatch } = prototype as { dispatch: Dispatch };
    const take = (dispatcher: Closable, given: Given): boolean =>
      this.#take(dispatcher, given, (settings) => this.#router.agentsLike(dispatcher, settings, Agent, http2));
    const covering = {
      dispatch(this: Closable, options: Options, handler: Handler): boolean {
        if (isRouted(options)) return dispatch.call(this, options, handler);
        return take(this, { options, handler, next: (...call) => dispatch.call(this, ...call) });
      },
    }.dispatch;
    prototype.dispatch = covering;
    const takeBack = this.#coverCompose(Object.getPrototypeOf(prototype) as Composable);
    this.#undo.set(prototype, () => {
      if (prototype.dispatch === covering) prototype.dispatch = dispatch;
      takeBack();
    });
  }

  /** What the mocks of a copy are given is theirs. */
  #spare(prototype: Dispatcher): void {
    if (this.#undo.has(prototype)) return;
    const { dispatch } = prototype as { dispatch: Dispatch };
    const sparing = {
      dispatch(this: Dispatcher, options: Options, handler: Handler): boolean {
        return asMocked((...call) => dispatch.call(this, ...call))(options, handler);
      },
    }.dispatch;
    prototype.dispatch = sparing;
    this.#undo.set(prototype, () => {
      if (prototype.dispatch === sparing) prototype.dispatch = dispatch;
    });
  }

  /** @returns how to take it back */
  #coverCompose(dispatcher: Composable): () => void {
    const { compose } = dispatcher;
    if (compose === undefined) return nothing;
    const covering = composing(compose, (origin) => this.#router.isService(origin));
    dispatcher.compose = covering;
    return () => {
      if (dispatcher.compose === covering) dispatcher.compose = compose;
    };
  }

  #take(dispatcher: Closable, given: Given, agentsLike: (settings: Settings) => Agents): boolean {
    const { options, handler, next } = given;
    const router = this.#router;
    const known = this.#guard.attempt(HOOK, () => this.#knownOf(dispatcher), nothing);
    // What is closed says so.
    if (known === undefined || known.isBound || dispatcher.closed || dispatcher.destroyed)
      return next(options, handler);
    const { settings = NO_SETTINGS } = known;
    const send = (service: Service, origin: string): true | undefined => {
      // While the first list was read.
      if (dispatcher.destroyed) return undefined;
      if (known.settings === undefined && dispatcher.constructor.name !== ENVIRONMENT_PROXY)
        router.sayBypassed(service, `a ${dispatcher.constructor.name} of the application`);
      return router.sendOwn(service, { ...given, options: { ...options, origin } }, dispatcher, agentsLike(settings));
    };
    return router.take(known.origin ?? originOf(options?.origin), given, send, (found) =>
      this.#guard.attempt(HOOK, () => agentsLike(settings).during(found), nothing),
    );
  }

  #knownOf(dispatcher: Dispatcher): Known {
    const found = this.#known.get(dispatcher);
    if (found !== undefined) return found;
    const known: Known = {
      origin: originOfPool(dispatcher),
      isBound: isBound(dispatcher),
      settings: settingsOf(dispatcher),
    };
    this.#known.set(dispatcher, known);
    return known;
  }
}

function nothing(): undefined {}
