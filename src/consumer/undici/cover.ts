import type { Dispatcher } from 'undici';
import { originOf } from '../directory/origin.ts';

export type Options = Dispatcher.DispatchOptions;
export type Handler = Dispatcher.DispatchHandler;
export type Dispatch = (options: Options, handler: Handler) => boolean;

/** `Dispatcher.compose` makes these into one dispatcher, the last one outermost. */
type Interceptor = (dispatch: Dispatch, ...more: unknown[]) => Dispatch;
export type Compose = (
  this: Dispatcher,
  ...interceptors: readonly Interceptor[] | [readonly Interceptor[]]
) => Dispatcher;

/** Those of undici 5 have no `compose`. */
export type Composable = Omit<Dispatcher, 'compose'> & { compose?: Compose };

export interface CoverOptions {
  /** Takes what goes to services, and gives the rest to `next`, which is the dispatcher as it was. */
  readonly take: (next: Dispatch, options: Options, handler: Handler) => boolean;
  readonly isService: (origin: string) => boolean;
  /** Told of what is composed of the covered dispatcher: what goes through that comes to `take`. */
  readonly onComposed: (composed: Dispatcher) => void;
}

/**
 * Stands before a dispatcher: two of its methods are ours from now on, everything else is what it was. Of one that lets
 * nobody change it (a frozen one, or what undici 7 and 8 compose) a proxy has them.
 *
 * @returns what is to be used in its place, in general itself
 */
export function cover(target: Dispatcher, options: CoverOptions): { readonly dispatcher: Dispatcher; undo(): void } {
  const methods = methodsOf(target, options);
  const { isProxy } = process.getBuiltinModule('node:util').types;
  if (isProxy(target) || !Object.isExtensible(target))
    return {
      dispatcher: new Proxy(target, { get: (_, key) => methods.get(key) ?? propertyOf(target, key) }),
      undo() {},
    };
  for (const [key, value] of methods)
    Object.defineProperty(target, key, { value, writable: true, enumerable: false, configurable: true });
  const undo = (): void => {
    for (const [key, value] of methods)
      if (Object.getOwnPropertyDescriptor(target, key)?.value === value) Reflect.deleteProperty(target, key);
  };
  return { dispatcher: target, undo };
}

function methodsOf(
  target: Dispatcher,
  { take, isService, onComposed }: CoverOptions,
): ReadonlyMap<PropertyKey, unknown> {
  const { dispatch, compose } = target as Composable;
  const next = dispatch.bind(target) as Dispatch;
  const methods = new Map<PropertyKey, unknown>([
    ['dispatch', (options: Options, handler: Handler): boolean => take(next, options, handler)],
  ]);
  if (compose === undefined) return methods;
  const composed = composing(compose, isService);
  return methods.set('compose', function (this: Dispatcher, ...interceptors: Parameters<Compose>): Dispatcher {
    const dispatcher = composed.apply(this, interceptors);
    onComposed(dispatcher);
    return dispatcher;
  });
}

/** `compose`, but that requests to services go past interceptors that look names up. */
export function composing(compose: Compose, isService: CoverOptions['isService']): Compose {
  return function (...interceptors): Dispatcher {
    const list = (Array.isArray(interceptors[0]) ? interceptors[0] : interceptors) as readonly Interceptor[];
    return Reflect.apply(compose, this, [list.map((one) => pastLookup(one, isService))]);
  };
}

/** Methods of a class with private fields work on their own object only. */
function propertyOf(target: Dispatcher, key: PropertyKey): unknown {
  const value: unknown = Reflect.get(target, key, target);
  return typeof value === 'function' && key !== 'constructor' ? value.bind(target) : value;
}

/** What undici calls the dispatch of `interceptors.dns()`, since it has that (6.21). */
const LOOKUP = 'dnsInterceptor';

/** The name of a service is for no resolver: requests to services go past an interceptor that looks names up. */
function pastLookup(interceptor: Interceptor, isService: CoverOptions['isService']): Interceptor {
  if (typeof interceptor !== 'function') return interceptor;
  const past: Interceptor = (dispatch, ...more) => {
    const inner = interceptor(dispatch, ...more);
    if (typeof inner !== 'function' || inner.name !== LOOKUP) return inner;
    return (options, handler) => {
      const origin = originOf(options?.origin);
      return origin !== undefined && isService(origin) ? dispatch(options, handler) : inner(options, handler);
    };
  };
  // undici 8 keeps there in which order they may be composed.
  return Object.defineProperties(past, Object.getOwnPropertyDescriptors(interceptor) as PropertyDescriptorMap);
}
