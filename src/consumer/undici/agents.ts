import { EventEmitter } from 'node:events';
import type { Agent, Dispatcher } from 'undici';
import type { Guard } from '../../guard.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Endpoint } from '../directory/endpoint.ts';
import type { Service } from '../directory/service.ts';
import { type BuildConnector, connectTo } from './connect.ts';
import type { Dispatch } from './cover.ts';
import { InstanceAgent } from './instance-agent.ts';
import type { Settings } from './settings.ts';

/** `Agent` of any copy of undici. */
export type AgentClass = new (options?: object) => Agent;

export interface AgentsOptions {
  readonly clock: Clock;
  readonly guard: Guard;
  readonly Agent: AgentClass;
  /** Makes connections; loaded with the first one. */
  readonly parts: { readonly buildConnector: BuildConnector };
  /** Whether agents of this copy speak HTTP/2 unless a request forbids it. */
  readonly http2: boolean;
  /** What the dispatcher in whose place they stand was made with. */
  readonly settings: Settings;
}

/**
 * Makes the agents by which requests to services go. They are of the copy of undici that the request was made with: its bodies,
 * handlers and errors are known to that copy alone.
 */
export class Agents {
  readonly #options: AgentsOptions;

  constructor(options: AgentsOptions) {
    this.#options = options;
  }

  /** One whose connections all lead to `endpoint`. */
  to(service: Service, endpoint: Endpoint): InstanceAgent {
    const { clock, guard, Agent, parts, http2, settings } = this.#options;
    const { connect, isReadyTaken } = settings;
    const build: BuildConnector = (more) => connect?.(parts.buildConnector, more) ?? parts.buildConnector(more);
    const connector = connectTo({ clock, guard, service, endpoint, build, http2, isReadyTaken });
    return new InstanceAgent((own) => new Agent({ ...settings.options, connect: own }), connector, guard);
  }

  /** One that follows redirects as undici 5 and 6 do when a request asks for that; each step is a request of its own to `dispatch`. */
  following(dispatch: Dispatch): Agent {
    const factory = (): Dispatcher =>
      Object.assign(new EventEmitter(), { dispatch, close: async () => {}, destroy: async () => {} }) as never;
    return new this.#options.Agent({ factory });
  }
}
