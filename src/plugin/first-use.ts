import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Agent, Server } from 'node:http';
import { DISPATCHERS } from '../consumer/undici/dispatchers.ts';
import { Guard } from '../guard.ts';
import { onFirstFork } from '../process/cluster.ts';
import { type Connect, wrapConnect } from '../process/http2-connect.ts';
import { onBuiltin, onPackage } from '../process/modules.ts';
import { threadClosed, threadListens } from '../process/threads.ts';
import { kindOf } from '../provider/traffic/http-server.ts';

/** For hooks that are set before the log is loaded. */
export const GUARD = new Guard(
  (_level, message, { code = '' } = {}) => void process.stderr.write(`${code}: ${message}\n`),
);

type AddRequest = (this: Agent, ...call: unknown[]) => void;

/**
 * Calls `use` once, at the first sign that this process is a service or calls one: an HTTP server begins to listen, a request is
 * about to be sent, a session of HTTP/2 opens, grpc-js is loaded, a cluster forks, or `symbol` of the global object is read.
 * `use` runs before that event goes on; all hooks of this function are removed by then.
 */
export function onFirstUse(symbol: symbol, use: () => void): void {
  const undo: (() => void)[] = [];
  /** @returns whether this was the first time */
  const begin = (): boolean => {
    const steps = undo.splice(0);
    const first = (): boolean => {
      for (const step of steps) step();
      if (steps.length > 0) use();
      return steps.length > 0;
    };
    return GUARD.attempt('the first use', first, () => false);
  };
  const getter = (key: symbol): void => {
    const get = (): unknown => {
      begin();
      return (globalThis as Record<symbol, unknown>)[key];
    };
    const set = (value: unknown): void => {
      Object.defineProperty(globalThis, key, { value, writable: true, configurable: true });
      begin();
    };
    Object.defineProperty(globalThis, key, { get, set, configurable: true });
    undo.push(() => {
      if (Object.getOwnPropertyDescriptor(globalThis, key)?.get === get) Reflect.deleteProperty(globalThis, key);
    });
  };
  const listen = (name: string, listener: (message: never) => void): void => {
    const guarded = GUARD.listener(name, listener) as (message: unknown) => void;
    subscribe(name, guarded);
    undo.push(() => void unsubscribe(name, guarded));
  };

  getter(symbol);
  listen('tracing:net.server.listen:asyncStart', ({ server }: { server: object }) => {
    if (kindOf(server) !== 'other') begin();
  });
  undo.push(beforeFirstRequest(begin));
  // Another preload may have forked or loaded grpc-js already; all hooks are set before `use` runs.
  let [isSet, isThere] = [false, false];
  const found = (): void => {
    if (isSet) begin();
    else isThere = true;
  };
  undo.push(onFirstFork(GUARD, found));
  // Channels of grpc-js look up resolvers as they are made, so the resolvers must be registered before.
  undo.push(onPackage('@grpc/grpc-js', GUARD, found));
  undo.push(beforeFirstSession(begin));
  isSet = true;
  // Another preload loaded undici before the plugin, so no getter can notice its first request.
  if (isThere || DISPATCHERS.some((key) => key in globalThis)) begin();
  else DISPATCHERS.forEach(getter);
}

/** In a worker thread: counts its HTTP servers that listen, and calls `first` for the first one of the process. */
export function onThreadListens(first: () => void): void {
  const counted = new WeakSet<object>();
  const listens = (message: unknown): void => {
    const { server } = message as { readonly server: Server };
    if (kindOf(server) === 'other' || counted.has(server)) return;
    counted.add(server);
    const closed = (): void => {
      counted.delete(server);
      threadClosed();
    };
    server.once('close', GUARD.listener('the event close of a server', closed));
    if (threadListens()) first();
  };
  const channel = 'tracing:net.server.listen:asyncEnd';
  subscribe(channel, GUARD.listener(channel, listens));
}

/** `node:http` publishes a request only after its agent has it, so the one method in between is wrapped. */
function beforeFirstRequest(begin: () => boolean): () => void {
  const prototype = process.getBuiltinModule('node:http').Agent.prototype as Agent & { addRequest: AddRequest };
  const { addRequest } = prototype;
  const wrapped: AddRequest = function (...call) {
    // The first call uses the method installed now; later calls come from a kept reference.
    const next = begin() ? prototype.addRequest : addRequest;
    next.apply(this, call);
  };
  prototype.addRequest = wrapped;
  return () => {
    if (prototype.addRequest === wrapped) prototype.addRequest = addRequest;
  };
}

/** `node:http2` can be wrapped only once it is loaded, which few processes do. */
function beforeFirstSession(begin: () => boolean): () => void {
  let restore = (): void => {};
  const end = onBuiltin('http2', GUARD, () => {
    restore = wrapConnect(
      (connect) =>
        (...call) =>
          (begin() ? connectNow : connect)(...call),
    );
  });
  return () => {
    end();
    restore();
  };
}

/** The function installed now. */
function connectNow(...call: unknown[]): ReturnType<Connect> {
  return (process.getBuiltinModule('node:http2') as unknown as { connect: Connect }).connect(...call);
}
