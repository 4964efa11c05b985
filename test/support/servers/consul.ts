import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { until } from '../until.ts';
import { freePort, serverProgram } from './built.ts';

export interface ConsulOptions {
  /** Further configuration, in the form of Consul's configuration file. */
  readonly config?: object;
  /** Token of the tests' calls. */
  readonly token?: string;
}

/** A Consul agent on free ports that keeps nothing on disk; it can be stopped and started again on the same ports. */
export class Consul {
  readonly port: number;
  readonly dnsPort: number;
  readonly #serf: number;
  readonly #server: number;
  readonly #directory = new ScratchFolder();
  readonly #token: string | undefined;
  #child: Child | undefined;

  private constructor(ports: readonly number[], { config = {}, token }: ConsulOptions) {
    const [port = 0, dnsPort = 0, serf = 0, server = 0] = ports;
    this.port = port;
    this.dnsPort = dnsPort;
    this.#serf = serf;
    this.#server = server;
    this.#token = token;
    writeFileSync(join(this.#directory.path, 'config.json'), JSON.stringify(config));
  }

  static async start(options: ConsulOptions = {}): Promise<Consul> {
    const consul = new Consul(await Promise.all([freePort(), freePort(), freePort(), freePort()]), options);
    try {
      await consul.start();
    } catch (thrown) {
      await consul.close();
      throw thrown;
    }
    return consul;
  }

  get url(): string {
    return `consul://127.0.0.1:${this.port}`;
  }

  /** The running process. */
  get process(): Child {
    if (this.#child === undefined) throw new Error('Consul does not run');
    return this.#child;
  }

  async start(): Promise<void> {
    this.#child = new Child(serverProgram('consul'), [
      'agent',
      '-dev',
      '-bind=127.0.0.1',
      '-client=127.0.0.1',
      `-config-file=${join(this.#directory.path, 'config.json')}`,
      `-http-port=${this.port}`,
      '-grpc-port=-1',
      '-grpc-tls-port=-1',
      `-dns-port=${this.dnsPort}`,
      `-serf-lan-port=${this.#serf}`,
      '-serf-wan-port=-1',
      `-server-port=${this.#server}`,
      '-log-level=warn',
    ]);
    // It listens before it has a leader, and has a leader before the catalog contains its own node.
    await until(async () => {
      const nodes = await this.call('GET', '/v1/catalog/nodes').catch(() => []);
      return Array.isArray(nodes) && nodes.length > 0;
    });
  }

  /** Kills it; all of its data is lost. */
  async stop(): Promise<void> {
    await this.#child?.destroy();
  }

  /** Calls its API; resolves with the JSON of the answer. */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body) }),
      ...(this.#token && { headers: { 'x-consul-token': this.#token } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  async close(): Promise<void> {
    await this.stop();
    this.#directory.remove();
  }
}
