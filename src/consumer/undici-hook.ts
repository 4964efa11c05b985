import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { Agent, Dispatcher } from 'undici';
import { asError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { CallContext } from './call-context.ts';
import { CURRENT, DISPATCHERS, LEGACY } from './dispatchers.ts';
import type { Endpoint } from './endpoint.ts';
import { originOf } from './origin.ts';
import type { Prebuilt } from './prebuilt.ts';
import type { Service } from './service.ts';
import { UndiciCall } from './undici-call.ts';

/** Published by every copy of undici for every request. */
const REQUEST_CREATE = 'undici:request:create';

/** The parts of undici that are used; the whole takes twice as long to load. */
interface Undici {
  readonly Agent: new (options?: { connect: Connector }) => Agent;
  readonly buildConnector: BuildConnector;
  readonly Dispatcher: new () => Dispatcher;
  readonly Dispatcher1Wrapper: (new (
    next: Dispatcher,
  ) => Dispatcher) & { wrapHandler(handler: object): Dispatcher.DispatchHandler };
}

type Globals = { [CURRENT]?: Dispatcher; [LEGACY]?: Dispatcher };

export interface UndiciHookOptions {
  readonly context: CallContext;
  readonly log: Log;
  /** Whether requests to `origin` must go through here. */
  readonly covers: (origin: string) => boolean;
}

/**
 * Takes the place of the global dispatcher of undici, which also carries the built-in fetch. undici is loaded when somebody
 * first asks for that dispatcher, never at start. Requests to anything but services go to the dispatcher that was there.
 */
export class UndiciHook {
  readonly #options: UndiciHookOptions;
  /** Dispatchers of ours, and the one each stands before. */
  readonly #covers = new WeakMap<Dispatcher, Dispatcher>();
  readonly #onCreate = (message: unknown): void =>
    this.#created((message as { request: { origin?: unknown } }).request.origin);
  #undici: Undici | undefined;
  #isUncoveredSaid = false;

  constructor(options: UndiciHookOptions) {
    this.#options = options;
  }

  install(): void {
    const globals = globalThis as Globals;
    const isPresent = CURRENT in globals || LEGACY in globals;
    if (isPresent) this.#coverPresent();
    else for (const symbol of DISPATCHERS) this.#coverLater(symbol);
    subscribe(REQUEST_CREATE, this.#onCreate);
  }

  uninstall(): void {
    unsubscribe(REQUEST_CREATE, this.#onCreate);
    const globals = globalThis as Globals;
    for (const symbol of DISPATCHERS) {
      const { value, get } = Object.getOwnPropertyDescriptor(globals, symbol) ?? {};
      const before = typeof value === 'object' ? this.#covers.get(value) : undefined;
      if (before !== undefined) globals[symbol] = before;
      else if (get !== undefined) delete globals[symbol];
    }
  }

  /** Asked for by undici itself while it loads, so nothing of undici has been loaded before. */
  #coverLater(symbol: typeof CURRENT | typeof LEGACY): void {
    Object.defineProperty(globalThis, symbol, {
      configurable: true,
      enumerable: false,
      get: () => {
        this.#coverNew();
        return (globalThis as Globals)[symbol];
      },
      set: (value: Dispatcher) => define(symbol, value),
    });
  }

  #coverNew(): void {
    for (const symbol of DISPATCHERS) {
      if (Object.getOwnPropertyDescriptor(globalThis, symbol)?.get !== undefined)
        delete (globalThis as Globals)[symbol as typeof CURRENT];
    }
    try {
      const undici = this.#load();
      const agent = new undici.Agent();
      if (!(CURRENT in globalThis)) define(CURRENT, this.#cover(agent, false));
      if (!(LEGACY in globalThis)) define(LEGACY, this.#cover(new undici.Dispatcher1Wrapper(agent), true));
    } catch (thrown) {
      this.#options.log('error', `calls of fetch and undici are not covered: ${asError(thrown).message}`, {
        code: 'LOSSLESS_DISPATCHER_UNCOVERED',
      });
    }
  }

  /** Covers the dispatchers that are there now. */
  #coverPresent(): void {
    const globals = globalThis as Globals;
    for (const symbol of DISPATCHERS) {
      const present = globals[symbol];
      if (present !== undefined && !this.#covers.has(present))
        globals[symbol] = this.#cover(present, symbol === LEGACY);
    }
  }

  /**
   * A dispatcher that takes requests to services and gives all others to `next`, as they came. Those who ask for a legacy
   * one know no HTTP/2.
   */
  #cover(next: Dispatcher, isLegacy: boolean): Dispatcher {
    const undici = this.#load();
    const { context } = this.#options;
    const createAgent = ({ prebuilt }: Endpoint): Agent =>
      new undici.Agent(prebuilt && { connect: prebuiltFirst(prebuilt, undici.buildConnector) });
    const protocol = isLegacy ? { allowH2: false } : {};
    const send = (service: Service, options: Options, handler: Handler): boolean =>
      new UndiciCall(
        context,
        createAgent,
        service,
        { ...options, ...protocol },
        undici.Dispatcher1Wrapper.wrapHandler(handler),
      ).send();
    const dispatcher = new (class LosslessDispatcher extends undici.Dispatcher {
      override dispatch(options: Options, handler: Handler): boolean {
        const origin = originOf(options.origin);
        const service = origin === undefined ? undefined : context.route(origin);
        if (service === undefined) return next.dispatch(options, handler);
        if (!(service instanceof Promise)) return send(service, options, handler);
        service.then((found) =>
          found === undefined ? next.dispatch(options, handler) : send(found, options, handler),
        );
        return true;
      }

      override close(...call: []): Promise<void> {
        return next.close(...call);
      }

      override destroy(...call: []): Promise<void> {
        return next.destroy(...call);
      }

      /** Limits that undici's WebSocket and EventSource read from the global dispatcher. */
      get webSocketOptions(): unknown {
        return (next as unknown as Record<string, unknown>)['webSocketOptions'];
      }

      get eventSourceOptions(): unknown {
        return (next as unknown as Record<string, unknown>)['eventSourceOptions'];
      }
    })();
    this.#covers.set(dispatcher, next);
    return dispatcher;
  }

  /** A request whose origin is still a service went past: by a dispatcher of the application. */
  #created(origin: unknown): void {
    const text = originOf(origin);
    if (text === undefined || !this.#options.covers(text)) return;
    if (!this.#isUncoveredSaid)
      this.#options.log(
        'warn',
        `a request to ${text} was made with a dispatcher of the application; such requests are not covered`,
        {
          code: 'LOSSLESS_DISPATCHER_UNCOVERED',
        },
      );
    this.#isUncoveredSaid = true;
    this.#coverPresent();
  }

  #load(): Undici {
    if (this.#undici === undefined) {
      const require = createRequire(import.meta.url);
      this.#undici = {
        Agent: require('undici/lib/dispatcher/agent.js'),
        buildConnector: require('undici/lib/core/connect.js'),
        Dispatcher: require('undici/lib/dispatcher/dispatcher.js'),
        Dispatcher1Wrapper: require('undici/lib/dispatcher/dispatcher1-wrapper.js'),
      };
    }
    return this.#undici;
  }
}

type Options = Dispatcher.DispatchOptions;
type Handler = Dispatcher.DispatchHandler;

/** How undici connects; all requests of one agent go to one instance. */
type Connector = (options: Target, done: (error: Error | null, socket: Socket | null) => void) => void;

type BuildConnector = (options: { readonly allowH2?: boolean }) => Connector;

interface Target {
  readonly protocol: string;
  readonly allowH2?: boolean;
  readonly servername?: string | null;
}

/** Takes the connection that stands ready, if it is what is asked for, and then makes new ones as undici itself would. */
function prebuiltFirst(prebuilt: Prebuilt, build: BuildConnector): Connector {
  // Whether HTTP/2 is offered is settled when a connector is built, not by what it is asked for.
  const [connect, connectHttp1] = [build({}), build({ allowH2: false })];
  return (target, done) => {
    const servername = target.protocol === 'https:' ? target.servername : undefined;
    const socket = servername === prebuilt.destination.servername ? prebuilt.take() : undefined;
    if (socket === undefined) (target.allowH2 === false ? connectHttp1 : connect)(target, done);
    else queueMicrotask(() => done(null, socket));
  };
}

/** As undici defines it, but configurable, so that it can be taken back. */
function define(symbol: symbol, value: Dispatcher): void {
  Object.defineProperty(globalThis, symbol, { value, writable: true, enumerable: false, configurable: true });
}
