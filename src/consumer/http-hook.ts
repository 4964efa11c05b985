import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { DRAINING_HEADER } from '../protocol/header.ts';
import type { CallContext } from './call-context.ts';
import { type AddRequest, callOf, HttpCall } from './http-call.ts';
import type { Service } from './service.ts';

/** Published when the head of a response has arrived. */
const RESPONSE = 'http.client.response.finish';

type Pool = Agent & { addRequest: AddRequest };

/**
 * Wraps the one method through which every request of every agent goes: `http.request`, `https.request`, own agents,
 * `agent: false`, and the libraries built on them. Requests to anything but services are passed on as they came.
 */
export class HttpHook {
  readonly #context: CallContext;
  readonly #onResponse = (message: unknown): void => {
    const { request, response } = message as { request: ClientRequest; response: IncomingMessage };
    const call = callOf(request);
    if (call === undefined) return;
    const marker = find(response.rawHeaders, DRAINING_HEADER);
    if (marker !== undefined) call.marked(marker);
  };
  #restore: () => void = () => {};

  constructor(context: CallContext) {
    this.#context = context;
  }

  install(): void {
    const context = this.#context;
    const prototype = process.getBuiltinModule('node:http').Agent.prototype as Pool;
    const { addRequest } = prototype;
    const addRequestToService: AddRequest = function (this: Agent, request, options, ...legacy) {
      const host = typeof options === 'object' && !options.socketPath ? options.host : undefined;
      const service = typeof host === 'string' ? context.route(host) : undefined;
      const send = (found: Service | undefined): void => {
        if (found === undefined) addRequest.call(this, request, options, ...legacy);
        else new HttpCall(context, found, this, addRequest, request, options).send();
      };
      if (service instanceof Promise) service.then(send);
      else send(service);
    };
    prototype.addRequest = addRequestToService;
    this.#restore = () => {
      if (prototype.addRequest === addRequestToService) prototype.addRequest = addRequest;
    };
    subscribe(RESPONSE, this.#onResponse);
  }

  uninstall(): void {
    this.#restore();
    unsubscribe(RESPONSE, this.#onResponse);
  }
}

/** The value of a header, without building the object of all headers, which the application may never ask for. */
function find(rawHeaders: readonly string[], name: string): string | undefined {
  for (let n = 0; n < rawHeaders.length; n += 2)
    if (rawHeaders[n]?.length === name.length && rawHeaders[n]?.toLowerCase() === name) return rawHeaders[n + 1];
  return undefined;
}
