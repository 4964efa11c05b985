import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, serverProgram } from './built.ts';
import { Child, until } from './child.ts';

/** An etcd of one member on free ports; it can be stopped and started again on the same ports with its data, or without. */
export class Etcd {
  readonly port: number;
  readonly #peer: number;
  readonly #directory = mkdtempSync(join(tmpdir(), 'lossless-etcd-'));
  readonly #flags: readonly string[];
  #child: Child | undefined;

  private constructor(port: number, peer: number, flags: readonly string[]) {
    this.port = port;
    this.#peer = peer;
    this.#flags = flags;
  }

  /** @param flags beside those of addresses and data */
  static async start(flags: readonly string[] = []): Promise<Etcd> {
    const etcd = new Etcd(await freePort(), await freePort(), flags);
    await etcd.start();
    return etcd;
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
    const peer = `http://127.0.0.1:${this.#peer}`;
    this.#child = new Child(serverProgram('etcd'), [
      '--data-dir',
      join(this.#directory, 'data'),
      '--listen-client-urls',
      client,
      '--advertise-client-urls',
      client,
      '--listen-peer-urls',
      peer,
      '--initial-advertise-peer-urls',
      peer,
      '--initial-cluster',
      `default=${peer}`,
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

  /** Ends it at once. */
  async stop(): Promise<void> {
    await this.#child?.destroy();
  }

  /** Forgets everything; to be called while it is stopped. */
  wipe(): void {
    rmSync(join(this.#directory, 'data'), { recursive: true, force: true });
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
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
