import { freePort } from './built.ts';
import type { Child } from './child.ts';
import { JavaServer } from './java.ts';
import { ready } from './ready.ts';

/** A service in Java with Spring Cloud, of a folder of test/servers: a client of the registry that is not ours. */
export class Spring {
  readonly port: number;
  readonly #java: JavaServer;
  #child: Child | undefined;

  private constructor(folder: string, port: number) {
    this.port = port;
    this.#java = new JavaServer(folder);
  }

  /** @param properties of the application, beside its address */
  static async start(folder: string, properties: Readonly<Record<string, string>>): Promise<Spring> {
    const spring = new Spring(folder, await freePort());
    try {
      await spring.#start(properties);
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

  /** Where its balancer finds the instances of a service. */
  async list(service: string): Promise<readonly string[]> {
    return (await (await fetch(`http://127.0.0.1:${this.port}/list?service=${service}`)).json()) as string[];
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

  async #start(properties: Readonly<Record<string, string>>): Promise<void> {
    const own = { 'server.address': '127.0.0.1', 'server.port': String(this.port), 'spring.main.banner-mode': 'off' };
    const args = Object.entries({ ...own, ...properties }).map(([name, value]) => `--${name}=${value}`);
    this.#child = this.#java.start([], ['lossless.Spring', ...args]);
    await ready(this.#child, `http://127.0.0.1:${this.port}/`);
  }
}
