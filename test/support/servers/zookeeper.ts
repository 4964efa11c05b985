import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { ZooKeeperLink } from '../../../src/registry/zookeeper/link.ts';
import { ZooKeeperNodes } from '../../../src/registry/zookeeper/nodes.ts';
import type { Child } from '../process/child.ts';
import { until } from '../until.ts';
import { freePort } from './built.ts';
import { JavaServer } from './java.ts';

type Settings = Readonly<Record<string, string | number>>;

/** The address of a member of an ensemble, for the other members. */
interface Peer {
  readonly id: number;
  readonly quorum: number;
  readonly election: number;
}

/** A ZooKeeper server on a free port, mostly alone; it can be stopped and started again on the same port with its data. Sessions of 0.4 s are granted. */
export class ZooKeeperServer {
  readonly port: number;
  /** The ports of all members towards each other, its own first; empty when it is alone. */
  readonly #peers: readonly Peer[];
  readonly #settings: Settings;
  readonly #java = new JavaServer('zookeeper');
  #process: Child | undefined;

  private constructor(port: number, peers: readonly Peer[], settings: Settings = {}) {
    this.port = port;
    this.#peers = peers;
    this.#settings = settings;
  }

  /** @param settings further settings of zoo.cfg, beside those of addresses, data and times */
  static async start(settings: Settings = {}): Promise<ZooKeeperServer> {
    const server = new ZooKeeperServer(await freePort(), [], settings);
    try {
      await server.start();
    } catch (thrown) {
      await server.close();
      throw thrown;
    }
    return server;
  }

  /** Starts an ensemble of `size` members. */
  static async ensemble(size: number): Promise<readonly ZooKeeperServer[]> {
    const peers: Peer[] = [];
    for (let id = 1; id <= size; id++) peers.push({ id, quorum: await freePort(), election: await freePort() });
    const ports = await Promise.all(peers.map(() => freePort()));
    const members = ports.map((port, n) => new ZooKeeperServer(port, [...peers.slice(n), ...peers.slice(0, n)]));
    await Promise.all(members.map((member) => member.start()));
    return members;
  }

  get url(): string {
    return `zookeeper://127.0.0.1:${this.port}`;
  }

  /** The running process. */
  get process(): Child {
    if (this.#process === undefined) throw new Error('ZooKeeper does not run');
    return this.#process;
  }

  async start(): Promise<void> {
    const config = join(this.#java.directory, 'zoo.cfg');
    const [own] = this.#peers;
    const main = own === undefined ? 'ZooKeeperServerMain' : 'quorum.QuorumPeerMain';
    const settings = {
      tickTime: 200,
      minSessionTimeout: 400,
      maxSessionTimeout: 60_000,
      dataDir: join(this.#java.directory, 'data'),
      clientPort: this.port,
      clientPortAddress: '127.0.0.1',
      maxClientCnxns: 0,
      'admin.enableServer': false,
      '4lw.commands.whitelist': 'srvr,mntr',
      initLimit: 50,
      syncLimit: 10,
      ...Object.fromEntries(
        this.#peers.map(({ id, quorum, election }) => [`server.${id}`, `127.0.0.1:${quorum}:${election}`]),
      ),
      ...this.#settings,
    };
    mkdirSync(settings.dataDir, { recursive: true });
    if (own !== undefined) writeFileSync(join(settings.dataDir, 'myid'), String(own.id));
    writeFileSync(
      config,
      Object.entries(settings)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    );
    this.#process = this.#java.start([], ['-Dzookeeper.forceSync=no', `org.apache.zookeeper.server.${main}`, config]);
    await until(async () => (await this.#say('srvr')).startsWith('Zookeeper version'), 60_000);
  }

  /** Kills it. */
  stop(): Promise<void> {
    return this.#java.stop();
  }

  /** Deletes its data; call it only while the server is stopped. */
  wipe(): void {
    rmSync(join(this.#java.directory, 'data'), { recursive: true, force: true });
  }

  /** Does `work` as a new client, whose session outlives it by 30 s. */
  async as<T>(user: string | undefined, work: (nodes: ZooKeeperNodes) => Promise<T>): Promise<T> {
    const server = { host: '127.0.0.1', port: this.port };
    const link = await ZooKeeperLink.open({
      clock: systemClock,
      server,
      tls: undefined,
      sessionMs: 30_000,
      user,
      session: undefined,
    });
    try {
      return await work(new ZooKeeperNodes(link, user !== undefined));
    } finally {
      link.cut();
    }
  }

  /** Number of sessions. */
  async sessions(): Promise<number> {
    const [, count] = /^zk_global_sessions\s+(\d+)/m.exec(await this.#say('mntr')) ?? [];
    return Number(count);
  }

  /** Whether it leads the other members. */
  async leads(): Promise<boolean> {
    return /^Mode: leader$/m.test(await this.#say('srvr'));
  }

  async close(): Promise<void> {
    await this.#java.close();
  }

  /** The server's answer to a command word; empty without an answer, as while it starts. */
  async #say(word: string): Promise<string> {
    const socket = createConnection({ port: this.port, host: '127.0.0.1' });
    socket.setTimeout(500, () => socket.destroy());
    socket.end(word);
    return text(socket).catch(() => '');
  }
}
