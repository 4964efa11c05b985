import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createRequire } from 'node:module';
import type { Agent, Dispatcher } from 'undici';
import { asError, type ErrorCode } from '../errors.ts';
import type { Log } from '../log.ts';
import type { CallContext } from './call-context.ts';
import { CURRENT, DISPATCHERS, LEGACY } from './dispatchers.ts';
import type { Endpoint } from './endpoint.ts';
import { originOf } from './origin.ts';
import { type BuildConnector, type Connector, prebuiltFirst } from './prebuilt-undici.ts';
import type { Service } from './service.ts';
import { UndiciCall } from './undici-call.ts';

/** Published by every copy of undici for every request. */
const REQUEST_CREATE = 'undici:request:create';

/** Marks what our dispatchers say of WebSockets: it is passed on by whatever the application has made of one, by `compose` or for others. */
const COVERED = Symbol('lossless.covered');

/** Published when a server begins to listen: an application has usually set up by then what it calls with. */
const LISTEN = 'tracing:net.server.listen:asyncStart';

/** The parts of undici that are used; the whole takes twice as long to load. */
interface Undici {
  readonly Agent: new (options?: { connect: Connector }) => Agent;
  readonly buildConnector: BuildConnector;
  readonly Dispatcher: new () => Dispatcher;
  readonly Dispatcher1Wrapper: (new (
    next: Dispatcher,
  ) => Dispatcher) & { wrapHandler(handler: object): Dispatcher.DispatchHandler };
}

type Place = (typeof DISPATCHERS)[number];

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
    void this.#created((message as { request: { origin?: unknown } }).request.origin);
  readonly #onListen = (): void => void this.#coverSet();
  #undici: Undici | undefined;
  /** Dispatchers of ours that are there since undici was first asked for, until the application sets another one. */
  readonly #placed = new Map<Place, Dispatcher>();
  #looksSoon = false;
  /** Those that could not be covered as they should, each said once. */
  readonly #said = new Set<ErrorCode>();

  constructor(options: UndiciHookOptions) {
    this.#options = options;
  }

  install(): void {
    const globals = globalThis as Globals;
    // Of one that was there before nobody can tell who set it; what undici itself makes is an agent.
    const isSet = (globals[CURRENT] ?? globals[LEGACY])?.constructor.name !== 'Agent';
    for (const symbol of DISPATCHERS) {
      if (symbol in globals) this.#coverPresent(symbol, isSet);
      else this.#coverLater(symbol);
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
      const before = this.#covers.get(value ?? this.#placed.get(symbol));
      if (get !== undefined) delete globals[symbol];
      if (before !== undefined && get !== undefined) define(symbol, before);
      else if (before !== undefined) globals[symbol] = before;
    }
  }

  /** Asked for by undici itself while it loads, so nothing of undici has been loaded before. */
  #coverLater(symbol: Place): void {
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
        delete (globalThis as Globals)[symbol];
    }
    try {
      const undici = this.#load();
      const agent = new undici.Agent();
      if (!(CURRENT in globalThis)) this.#place(CURRENT, this.#cover(agent, CURRENT, false));
      if (!(LEGACY in globalThis))
        this.#place(LEGACY, this.#cover(new undici.Dispatcher1Wrapper(agent), LEGACY, false));
    } catch (thrown) {
      this.#options.log('error', `calls of fetch and undici are not covered: ${asError(thrown).message}`, {
        code: 'LOSSLESS_DISPATCHER_UNCOVERED',
      });
    }
  }

  /** Every copy of undici asks for it while it loads. Who loads one often sets a dispatcher right after, and undici tells nobody. */
  #place(symbol: Place, dispatcher: Dispatcher): void {
    this.#placed.set(symbol, dispatcher);
    Object.defineProperty(globalThis, symbol, {
      configurable: true,
      enumerable: false,
      get: () => {
        this.#lookSoon();
        return dispatcher;
      },
      set: (value: Dispatcher) => define(symbol, value),
    });
  }

  /** When what runs now is done, and before anything that waits for the network. */
  #lookSoon(): void {
    if (this.#looksSoon) return;
    this.#looksSoon = true;
    process.nextTick(() => {
      if (this.#looksSoon) this.#coverSet();
      this.#looksSoon = false;
    });
  }

  /** Covers dispatchers that the application has set since. Returns whether there was one. */
  #coverSet(): boolean {
    // Not by a read: that would load undici.
    const isSet = DISPATCHERS.map((symbol) => {
      const { value } = Object.getOwnPropertyDescriptor(globalThis, symbol) ?? {};
      return value !== undefined && this.#coverPresent(symbol, true);
    });
    return isSet.includes(true);
  }

  #coverPresent(symbol: Place, isSet: boolean): boolean {
    const globals = globalThis as Globals;
    const present = globals[symbol] as Global | undefined;
    if (present === undefined || this.#covers.has(present) || present.webSocketOptions?.[COVERED] === true)
      return false;
    globals[symbol] = this.#cover(present, symbol, isSet);
    return true;
  }

  /**
   * A dispatcher that takes requests to services and gives all others to `next`, as they came. Those who ask for a legacy
   * one know no HTTP/2.
   *
   * @param isSet whether the application chose `next`
   */
  #cover(next: Global, symbol: Place, isSet: boolean): Dispatcher {
    const undici = this.#load();
    const { context } = this.#options;
    const createAgent = ({ prebuilt }: Endpoint): Agent =>
      new undici.Agent(prebuilt && { connect: prebuiltFirst(prebuilt, undici.buildConnector) });
    const protocol = symbol === LEGACY ? { allowH2: false } : {};
    const send = (service: Service, options: Options, handler: Handler): boolean => {
      if (isSet)
        this.#sayOnce(
          'LOSSLESS_DISPATCHER_BYPASSED',
          `requests to services, as to ${service.name}, do not go through the global dispatcher that the application has set: its settings and interceptors do not hold for them`,
        );
      return new UndiciCall(context, createAgent, service, { ...options, ...protocol }, handler).send();
    };
    const dispatcher = new (class LosslessDispatcher extends undici.Dispatcher {
      override dispatch(options: Options, handler: Handler): boolean {
        const origin = originOf(options.origin);
        const service = origin === undefined ? undefined : context.route(origin);
        if (service === undefined) return next.dispatch(options, handler);
        const current = undici.Dispatcher1Wrapper.wrapHandler(handler);
        if (!(service instanceof Promise)) return send(service, options, current);
        service
          .then((found) => (found === undefined ? next.dispatch(options, handler) : send(found, options, current)))
          // The application is no longer there to catch it. As undici says what is wrong before there is a connection.
          .catch((thrown) => current.onResponseError?.(null as never, asError(thrown)));
        return true;
      }

      override close(...call: []): Promise<void> {
        return next.close(...call);
      }

      override destroy(...call: []): Promise<void> {
        return next.destroy(...call);
      }

      /** Limits that undici's WebSocket and EventSource read from the global dispatcher. */
      get webSocketOptions(): object {
        return { ...next.webSocketOptions, [COVERED]: true };
      }

      get eventSourceOptions(): unknown {
        return next.eventSourceOptions;
      }
    })();
    this.#covers.set(dispatcher, next);
    return dispatcher;
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

  #load(): Undici {
    if (this.#undici === undefined) {
      const require = createRequire(import.meta.filename);
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

/** A global dispatcher, with the limits that undici's WebSocket and EventSource read from it. */
type Global = Dispatcher & {
  readonly webSocketOptions?: { readonly [COVERED]?: true };
  readonly eventSourceOptions?: unknown;
};

type Options = Dispatcher.DispatchOptions;
type Handler = Dispatcher.DispatchHandler;

/** As undici defines it, but configurable, so that it can be taken back. */
function define(symbol: symbol, value: Dispatcher): void {
  Object.defineProperty(globalThis, symbol, { value, writable: true, enumerable: false, configurable: true });
}
