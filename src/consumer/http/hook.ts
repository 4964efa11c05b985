import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { asError } from '../../errors.ts';
import { DRAINING_HEADER } from '../../protocol/header.ts';
import { rawHeader } from '../../protocol/raw-headers.ts';
import type { CallContext } from '../call/call-context.ts';
import type { Service } from '../directory/service.ts';
import { type AddRequest, type AgentOptions, callOf, HttpCall, type OnSocket } from './call.ts';
import { agentless, withAgent } from './own-connection.ts';

/** Published when the head of a response has arrived. */
const RESPONSE = 'http.client.response.finish';

/** What the guard calls this. */
const HOOK = 'a request of node:http';

type Pool = Agent & { addRequest: AddRequest };

/**
 * Wraps the one method through which every request with an agent goes: `http.request`, `https.request`, own agents, `agent:
 * false`, and the libraries built on them. It gives an agent to requests that connect by themselves. Requests to anything but
 * services pass unchanged.
 */
export class HttpHook {
  readonly #context: CallContext;
  readonly #onResponse: (message: unknown) => void;
  #restore: () => void = () => {};

  constructor(context: CallContext) {
    this.#context = context;
    this.#onResponse = context.guard.listener(RESPONSE, (message) => {
      const { request, response } = message as { request: ClientRequest; response: IncomingMessage };
      callOf(request)?.answered(rawHeader(response.rawHeaders, DRAINING_HEADER));
    });
  }

  install(): void {
    const context = this.#context;
    const prototype = process.getBuiltinModule('node:http').Agent.prototype as Pool;
    const { addRequest } = prototype;
    const addRequestToService = covering(context, addRequest);
    prototype.addRequest = addRequestToService;
    const takeBack = withAgent(
      agentless((itself) => covering(context, itself)),
      (host) => context.guard.attempt(HOOK, () => context.route(host), nothing) !== undefined,
    );
    this.#restore = () => {
      if (prototype.addRequest === addRequestToService) prototype.addRequest = addRequest;
      takeBack();
    };
    subscribe(RESPONSE, this.#onResponse);
  }

  uninstall(): void {
    this.#restore();
    unsubscribe(RESPONSE, this.#onResponse);
  }
}

/** Replaces `addRequest`: takes requests to services. */
function covering(context: CallContext, addRequest: AddRequest): AddRequest {
  const { guard } = context;
  return function (this: Agent, request, options, port, localAddress) {
    const plain = (): void => addRequest.call(this, request, options, port, localAddress);
    const service = guard.attempt(HOOK, () => route(context, options), nothing);
    if (service === undefined) return plain();
    const go = (found: Service | undefined): void => {
      const refusal = found?.refusal;
      if (refusal !== undefined) return void (request.onSocket as OnSocket).call(request, null, refusal);
      const call =
        found &&
        guard.attempt(
          HOOK,
          () => new HttpCall(context, found, this, addRequest, request, options as AgentOptions),
          nothing,
        );
      if (call === undefined) plain();
      else call.send();
    };
    if (!(service instanceof Promise)) return go(service);
    service
      .then(go)
      // The call of the application has returned, so the error becomes an event.
      .catch((thrown) => (request.onSocket as OnSocket).call(request, null, asError(thrown)));
  };
}

/** In calls of old code `options` is a host. */
function route(context: CallContext, options: AgentOptions | string): ReturnType<CallContext['route']> {
  const host = typeof options === 'object' && !options.socketPath ? options.host : undefined;
  return typeof host === 'string' ? context.route(host) : undefined;
}

function nothing(): undefined {}
