import type { Child } from '../process/child.ts';
import { freePort } from './built.ts';
import { JavaServer } from './java.ts';
import { ready } from './ready.ts';

/** Properties that switch on the client of one registry; the application contains all three. */
const REGISTRIES = {
  eureka: 'eureka.client.enabled',
  nacos: 'spring.cloud.nacos.discovery.enabled',
  zookeeper: 'spring.cloud.zookeeper.enabled',
} as const;

export type SpringRegistry = keyof typeof REGISTRIES;

/** A service in Java with Spring Cloud, a foreign client of a registry. */
export class Spring {
  readonly port: number;
  readonly #java = new JavaServer('spring');
  #child: Child | undefined;

  private constructor(port: number) {
    this.port = port;
  }

  /** @param properties of the application, beside its address */
  static async start(registry: SpringRegistry, properties: Readonly<Record<string, string>>): Promise<Spring> {
    const spring = new Spring(await freePort());
    try {
      await spring.#start(registry, properties);
    } catch (thrown) {
      await spring.close();
      throw thrown;
    }
    return spring;
  }

  /** Its process. */
  get child(): Child {
    if (this.#child === undefined) throw new Error('the Spring application does not run');
    return this.#child;
  }

  /** The addresses of a service in its balancer. */
  async list(service: string): Promise<readonly string[]> {
    return (await (await fetch(`http://127.0.0.1:${this.port}/list?service=${service}`)).json()) as string[];
  }

  /** The labels of a service's instances in its balancer. */
  async labels(service: string): Promise<readonly Readonly<Record<string, string>>[]> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/labels?service=${service}`);
    return (await answer.json()) as Record<string, string>[];
  }

  /** Calls a service through its balancer. @returns the answer, or undefined when the call failed */
  async call(service: string): Promise<string | undefined> {
    const response = await fetch(`http://127.0.0.1:${this.port}/call?service=${service}`);
    const text = await response.text();
    return response.ok ? text : undefined;
  }

  async close(): Promise<void> {
    await this.#java.close();
  }

  async #start(registry: SpringRegistry, properties: Readonly<Record<string, string>>): Promise<void> {
    const clients = Object.entries(REGISTRIES).map(([name, property]) => [property, String(name === registry)]);
    const own = { 'server.address': '127.0.0.1', 'server.port': String(this.port), 'spring.main.banner-mode': 'off' };
    const args = Object.entries({ ...own, ...Object.fromEntries(clients), ...properties }).map(
      ([name, value]) => `--${name}=${value}`,
    );
    this.#child = this.#java.start([], ['lossless.Spring', ...args]);
    await ready(this.#child, `http://127.0.0.1:${this.port}/`);
  }
}
