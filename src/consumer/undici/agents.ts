import { EventEmitter } from 'node:events';
import type { Agent, Dispatcher } from 'undici';
import type { Guard } from '../../guard.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Connections, OpenAgent } from '../directory/connections.ts';
import type { Endpoint } from '../directory/endpoint.ts';
import type { Service } from '../directory/service.ts';
import { connectTo } from './connect.ts';
import type { BuildConnector } from './connector.ts';
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
  /** Settings of the dispatcher that they replace. */
  readonly settings: Settings;
}

/**
 * Makes the agents for requests to services, from the copy of undici of the request, because only that copy knows its bodies,
 * handlers and errors.
 */
export class Agents {
  readonly #options: AgentsOptions;
  /** Connections to instances that these agents use. */
  readonly #used = new Set<Connections>();
  /** Resolves when all requests have ended; undefined: nobody waits for that. */
  #idle: PromiseWithResolvers<void> | undefined;
  #failure: Error | undefined;
  /** Requests that have not ended, including those that wait for the first list of a service. */
  #calls = 0;

  constructor(options: AgentsOptions) {
    this.#options = options;
  }

  /** The error with which they were destroyed; undefined: they were not. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  begin(): void {
    this.#calls++;
  }

  /** A request waits for this before it begins. */
  async during(wait: Promise<unknown>): Promise<void> {
    this.begin();
    await wait.catch(() => {});
    this.end();
  }

  end(): void {
    this.#calls--;
    if (this.#calls > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  /** Closes the connections when all requests have ended. Resolves when that is done. */
  async close(): Promise<void> {
    while (this.#calls > 0) {
      this.#idle ??= Promise.withResolvers();
      await this.#idle.promise;
    }
    await Promise.all([...this.#used].map((connections) => connections.closeAgent(this)));
  }

  /** Fails all requests with `error`. Resolves when the connections are closed. */
  async destroy(error: Error): Promise<void> {
    this.#failure = error;
    await Promise.all([...this.#used].map((connections) => connections.destroyAgent(this, error)));
  }

  /** An agent whose connections all lead to `endpoint`. */
  to(service: Service, endpoint: Endpoint): OpenAgent {
    const { connections } = endpoint;
    if (!this.#used.has(connections)) {
      this.#used.add(connections);
      void connections.idle.then(() => this.#used.delete(connections));
    }
    return connections.agent(this, () => this.#agentTo(service, endpoint));
  }

  #agentTo(service: Service, endpoint: Endpoint): InstanceAgent {
    const { clock, guard, Agent, parts, http2, settings } = this.#options;
    const { connect, isReadyTaken } = settings;
    const build: BuildConnector = (more) => connect?.(parts.buildConnector, more) ?? parts.buildConnector(more);
    const connector = connectTo({
      clock,
      guard,
      service,
      endpoint,
      build,
      isPlain: connect === undefined,
      http2,
      isReadyTaken,
    });
    return new InstanceAgent((own) => new Agent({ ...settings.options, connect: own }), connector, guard);
  }

  /**
   * An agent that follows redirects as undici 5 and 6 do when a request asks for that; each step is a new request to `dispatch`.
   */
  following(dispatch: Dispatch): Agent {
    const factory = (): Dispatcher =>
      Object.assign(new EventEmitter(), { dispatch, close: async () => {}, destroy: async () => {} }) as never;
    return new this.#options.Agent({ factory });
  }
}
