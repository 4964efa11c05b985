import type { Agent, AgentOptions, ClientRequest } from 'node:http';
import { rewriteHead } from './request-head.ts';

/** An agent with the options that it was made with; those of an environment proxy (NODE_USE_ENV_PROXY, `proxyEnv`) are there since Node.js 24.5. */
type Proxied = Agent & { readonly options: AgentOptions & { readonly proxyEnv?: object }; readonly protocol: string };

/** Changes of Node.js for a proxy, made before the agent is called. */
const HEADERS = ['proxy-connection', 'proxy-authorization'];

const ABSOLUTE = /^http:\/\/[^/?#]+/i;

/** Agents without a proxy, by the application's agent that they replace. */
const direct = new WeakMap<Agent, Agent>();

/**
 * An agent like this one that bypasses the environment proxy; usually the agent itself. Node.js gives that proxy to its global
 * agents; an agent of the application has the proxy that the application chose.
 */
export function withoutProxy(agent: Agent): Agent {
  const { options, protocol } = agent as Proxied;
  if (options?.proxyEnv === undefined || !isGlobal(agent)) return agent;
  const known = direct.get(agent);
  if (known !== undefined) return known;
  const { proxyEnv: _, ...rest } = options;
  const { Agent } = process.getBuiltinModule(protocol === 'https:' ? 'node:https' : 'node:http');
  const made = new Agent(rest);
  direct.set(agent, made);
  return made;
}

function isGlobal(agent: Agent): boolean {
  const [http, https] = [process.getBuiltinModule('node:http'), process.getBuiltinModule('node:https')];
  return agent === http.globalAgent || agent === https.globalAgent;
}

/** Undoes the changes of Node.js for a proxy: the whole URL as path, and two headers. */
export function forNoProxy(request: ClientRequest): void {
  if (!ABSOLUTE.test(request.path)) return;
  const path = request.path.replace(ABSOLUTE, '');
  const hasHead = (request as { _header?: unknown })._header !== null;
  request.path = path;
  if (hasHead) rewriteHead(request, (head) => head.replace(/^(\S+) \S+/, (_, method) => `${method} ${path}`), HEADERS);
  else for (const name of HEADERS) request.removeHeader(name);
}
