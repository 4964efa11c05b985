import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { asError } from '../errors.ts';
import { DRAINING_HEADER } from '../protocol/header.ts';
import { rawHeader } from '../protocol/raw-headers.ts';
import type { CallContext } from './call-context.ts';
import { type AddRequest, callOf, HttpCall, type OnSocket } from './http-call.ts';

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
    callOf(request)?.answered(rawHeader(response.rawHeaders, DRAINING_HEADER));
  };
  #restore: () => void = () => {};

  constructor(context: CallContext) {
    this.#context = context;
  }

  install(): void {
    const context = this.#context;
    const prototype = process.getBuiltinModule('node:http').Agent.prototype as Pool;
    const { addRequest } = prototype;
    const addRequestToService: AddRequest = function (this: Agent, request, options, port, localAddress) {
      const host = typeof options === 'object' && !options.socketPath ? options.host : undefined;
      const service = typeof host === 'string' ? context.route(host) : undefined;
      if (service === undefined) addRequest.call(this, request, options, port, localAddress);
      else if (service instanceof Promise)
        service
          .then((found) => {
            if (found === undefined) addRequest.call(this, request, options, port, localAddress);
            else new HttpCall(context, found, this, addRequest, request, options).send();
          })
          // The application is no longer there to catch it: it gets the event.
          .catch((thrown) => (request.onSocket as OnSocket).call(request, null, asError(thrown)));
      else new HttpCall(context, service, this, addRequest, request, options).send();
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
