import type { Dispatcher } from 'undici';
import type { Guard } from '../../guard.ts';
import { onPackage } from '../../process/modules.ts';
import { originOf } from '../directory/origin.ts';
import type { AgentClass, Agents } from './agents.ts';
import { type Composable, composing, type Dispatch, type Handler, type Options } from './cover.ts';
import { asMocked } from './mocks.ts';
import { isRouted } from './routed.ts';
import { type Given, HOOK, type UndiciRouter } from './router.ts';
import { isBound, NO_SETTINGS, originOfPool, type Settings, settingsOf } from './settings.ts';

/** The first major whose dispatchers speak HTTP/2 unless that is forbidden. */
const HTTP2_SINCE = 8;

/** Class names of dispatchers that only use the environment proxy. */
const ENVIRONMENT_PROXY = 'EnvHttpProxyAgent';

/** All dispatchers except composed ones. */
type Closable = Dispatcher & { readonly closed: boolean; readonly destroyed: boolean };

/** Facts about a dispatcher of the application. */
interface Known {
  /** Fixed origin of its requests; undefined: each request names one. */
  readonly origin: string | undefined;
  readonly isBound: boolean;
  /** Undefined: it does not reveal any. */
  readonly settings: Settings | undefined;
}

/**
 * Covers every dispatcher that the application makes with a copy of undici: agents, pools, clients, and what is built on them.
 * All dispatchers of a copy share one method, by which they pass requests on to each other; the first one decides.
 */
export class UndiciCopies {
  readonly #router: UndiciRouter;
  readonly #guard: Guard;
  /** Functions that restore each class of dispatchers, by its prototype. */
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
   * Covers the dispatchers of the copy that has this `Agent`.
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

  /** Requests to mocks of a copy stay with the mocks. */
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

  /** @returns a function that restores it */
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
    // A closed dispatcher reports that itself.
    if (known === undefined || known.isBound || dispatcher.closed || dispatcher.destroyed)
      return next(options, handler);
    const { settings = NO_SETTINGS } = known;
    return router.take(known.origin ?? originOf(options?.origin), given, (service, origin) => {
      if (known.settings === undefined && dispatcher.constructor.name !== ENVIRONMENT_PROXY)
        router.sayBypassed(service, `a ${dispatcher.constructor.name} of the application`);
      return router.sendOwn(service, { ...given, options: { ...options, origin } }, dispatcher, agentsLike(settings));
    });
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
