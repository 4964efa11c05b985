import type { Agent, ClientRequest, RequestOptions } from 'node:http';
import type { Socket } from 'node:net';
import { asError } from '../../errors.ts';
import type { AddRequest, AgentOptions, OnSocket } from './call.ts';

/** A function of `node:http` or `node:https` that begins a request. */
type Begin = (...call: unknown[]) => ClientRequest;

type Modules = Record<'request' | 'get', Begin>;

/** Undocumented parts of a request that Node.js sets without an agent. */
type Agentless = ClientRequest & { agent: Agent | undefined; _last: boolean };

type Connect = (options: object, done: (error: Error | null, socket?: Socket) => void) => Socket | undefined;

/**
 * Gives an agent to requests that make their connection themselves (`createConnection` and no agent, as those of WebSocket
 * clients), for which Node.js offers no other hook.
 *
 * @param isMeant whether a request to that host gets `agent`; all others begin unchanged
 * @returns a function that restores the former functions
 */
export function withAgent(agent: Agent, isMeant: (host: string) => boolean): () => void {
  const undo = ['node:http', 'node:https'].flatMap((name) => {
    const module = process.getBuiltinModule(name as 'node:http') as unknown as Modules;
    return (['request', 'get'] as const).map((method) => {
      const begin = module[method];
      const beginWithAgent: Begin = (...call) => begin(...given(call, agent, isMeant));
      Object.defineProperties(beginWithAgent, Object.getOwnPropertyDescriptors(begin));
      module[method] = beginWithAgent;
      return () => {
        if (module[method] === beginWithAgent) module[method] = begin;
      };
    });
  });
  // Updates imports by name.
  const { syncBuiltinESMExports } = process.getBuiltinModule('node:module');
  syncBuiltinESMExports();
  return () => {
    for (const each of undo) each();
    syncBuiltinESMExports();
  };
}

/** The arguments, with the agent added to the options where needed. */
function given(call: readonly unknown[], agent: Agent, isMeant: (host: string) => boolean): readonly unknown[] {
  const [url, second] = call;
  const hasUrl = typeof url === 'string' || url instanceof URL;
  const options = (hasUrl ? second : url) as RequestOptions | undefined;
  if (typeof options?.createConnection !== 'function' || options.socketPath) return call;
  if (options.agent !== undefined && options.agent !== null) return call;
  const host =
    options.hostname ?? options.host ?? (hasUrl && URL.canParse(url.toString()) ? new URL(url).hostname : undefined);
  if (typeof host !== 'string' || !isMeant(host)) return call;
  return call.with(hasUrl ? 1 : 0, { ...options, agent });
}

/**
 * An agent for requests that make their connection themselves.
 *
 * @param covering takes a request before Node.js connects it
 */
export function agentless(covering: (addRequest: AddRequest) => AddRequest): Agent {
  const addRequest = covering(connectItself);
  // With these two a request looks as without an agent.
  const agent = {
    keepAlive: false,
    maxSockets: 0,
    options: {},
    requests: {},
    createConnection: connectItself,
    addRequest,
  };
  return agent as unknown as Agent;
}

/**
 * Connects a request as Node.js does it without an agent. The certificate must be for the application's host name, whatever the
 * address.
 */
const connectItself: AddRequest = (request, options) => {
  const itself = request as Agentless;
  itself.agent = undefined;
  itself._last = true;
  itself.shouldKeepAlive = false;
  let isDone = false;
  const done = (error: Error | null, socket?: Socket): void => {
    if (isDone) return;
    isDone = true;
    (request.onSocket as OnSocket)(error ? null : socket, error);
  };
  const { createConnection, servername, ...rest } = options as AgentOptions & {
    createConnection: Connect;
    servername?: string;
  };
  const name = request.protocol === 'https:' ? (servername ?? request.host) : servername;
  try {
    const socket = createConnection(
      { ...rest, path: undefined, ...(name !== undefined && { servername: name }) },
      done,
    );
    if (socket) done(null, socket);
  } catch (thrown) {
    done(asError(thrown));
  }
};
