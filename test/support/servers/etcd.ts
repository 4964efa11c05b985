import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { until } from '../until.ts';
import { freePort, serverProgram } from './built.ts';

/** A member of an etcd cluster, mostly its only one, on free ports; it can be stopped and started again on the same ports, with or without its data. */
export class Etcd {
  readonly port: number;
  /** Ports towards other members; the first is its own. */
  readonly #peers: readonly number[];
  readonly #directory = new ScratchFolder();
  readonly #flags: readonly string[];
  #child: Child | undefined;

  private constructor(port: number, peers: readonly number[], flags: readonly string[]) {
    this.port = port;
    this.#peers = peers;
    this.#flags = flags;
  }

  /** @param flags further flags, beside those of addresses and data */
  static async start(flags: readonly string[] = []): Promise<Etcd> {
    const etcd = new Etcd(await freePort(), [await freePort()], flags);
    try {
      await etcd.start();
    } catch (thrown) {
      await etcd.close();
      throw thrown;
    }
    return etcd;
  }

  /** Starts a cluster of `size` members. */
  static async cluster(size: number): Promise<readonly Etcd[]> {
    const ports = await Promise.all(Array.from({ length: size * 2 }, () => freePort()));
    const [clients, peers] = [ports.slice(0, size), ports.slice(size)];
    const members = clients.map((port, n) => new Etcd(port, [...peers.slice(n), ...peers.slice(0, n)], []));
    await Promise.all(members.map((member) => member.start()));
    return members;
  }

  get url(): string {
    return `etcd://127.0.0.1:${this.port}`;
  }

  /** The running process. */
  get process(): Child {
    if (this.#child === undefined) throw new Error('etcd does not run');
    return this.#child;
  }

  async start(): Promise<void> {
    const client = `http://127.0.0.1:${this.port}`;
    const peers = this.#peers.map((port) => `http://127.0.0.1:${port}`);
    const [peer = ''] = peers;
    this.#child = new Child(serverProgram('etcd'), [
      '--data-dir',
      join(this.#directory.path, 'data'),
      '--listen-client-urls',
      client,
      '--advertise-client-urls',
      client,
      '--listen-peer-urls',
      peer,
      '--initial-advertise-peer-urls',
      peer,
      '--name',
      nameOf(peer),
      '--initial-cluster',
      peers.map((each) => `${nameOf(each)}=${each}`).join(','),
      '--log-level',
      'error',
      '--unsafe-no-fsync',
      ...this.#flags,
    ]);
    await until(() =>
      fetch(`${client}/health`).then(
        (response) => response.ok,
        () => false,
      ),
    );
  }

  /** Kills it. */
  async stop(): Promise<void> {
    await this.#child?.destroy();
  }

  /** Deletes its data; call it only while the server is stopped. */
  wipe(): void {
    rmSync(join(this.#directory.path, 'data'), { recursive: true, force: true });
  }

  /** Calls the JSON gateway. */
  async call(path: string, body: object, token?: string): Promise<Record<string, unknown>> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      ...(token && { headers: { authorization: token } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  async put(key: string, value: string): Promise<void> {
    await this.call('/v3/kv/put', { key: btoa(key), value: Buffer.from(value).toString('base64') });
  }

  /** The value of a key; undefined when there is none. */
  async get(key: string): Promise<string | undefined> {
    const { kvs = [] } = (await this.call('/v3/kv/range', { key: btoa(key) })) as { kvs?: { value?: string }[] };
    const [found] = kvs;
    return found && Buffer.from(found.value ?? '', 'base64').toString();
  }

  async close(): Promise<void> {
    await this.stop();
    this.#directory.remove();
  }
}

/** The name of a member, made of its port. */
function nameOf(peer: string): string {
  return `m${new URL(peer).port}`;
}
