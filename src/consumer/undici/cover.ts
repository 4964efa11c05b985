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
  /** Takes requests to services, and passes the rest to `next`, the original dispatcher. */
  readonly take: (next: Dispatch, options: Options, handler: Handler) => boolean;
  readonly isService: (origin: string) => boolean;
  /** Called with each dispatcher composed from the covered one; its requests come to `take` too. */
  readonly onComposed: (composed: Dispatcher) => void;
}

/**
 * Covers a dispatcher: replaces two of its methods and leaves the rest. For a dispatcher that cannot be changed (a frozen one, or
 * a composed one of undici 7 and 8) it returns a proxy with these methods.
 *
 * @returns the dispatcher to use in its place, usually itself
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

/** `compose`, except that requests to services bypass interceptors that look names up. */
export function composing(compose: Compose, isService: CoverOptions['isService']): Compose {
  return function (...interceptors): Dispatcher {
    const list = (Array.isArray(interceptors[0]) ? interceptors[0] : interceptors) as readonly Interceptor[];
    return Reflect.apply(compose, this, [list.map((one) => pastLookup(one, isService))]);
  };
}

/** Methods of a class with private fields work only on their own object. */
function propertyOf(target: Dispatcher, key: PropertyKey): unknown {
  const value: unknown = Reflect.get(target, key, target);
  return typeof value === 'function' && key !== 'constructor' ? value.bind(target) : value;
}

/** Name of the dispatch of `interceptors.dns()` in undici (since 6.21). */
const LOOKUP = 'dnsInterceptor';

/** No resolver knows the name of a service, so requests to services bypass an interceptor that looks names up. */
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
  // undici 8 stores there the order in which interceptors may be composed.
  return Object.defineProperties(past, Object.getOwnPropertyDescriptors(interceptor) as PropertyDescriptorMap);
}
