import { asError } from '../../errors.ts';
import { whenAborted } from '../../lifecycle/abort.ts';
import type { AdapterContext } from '../context.ts';
import { EntryReader } from '../entry-reader.ts';
import type { Round } from '../follow.ts';
import type { Failure, Instance, Registry } from '../registry.ts';
import { type Backend, ServerRegistry } from '../server-registry.ts';
import { addressOf, UrlOptions } from '../url-options.ts';
import { decodeEntry, encodeEntry } from './entry.ts';
import { ZooKeeperError } from './error.ts';
import { ZooKeeperNodes } from './nodes.ts';
import { ZooKeeperSession } from './session.ts';

/** Default port of ZooKeeper's clients. */
const PORT = 2_181;

/** Nodes that are read at a time: enough requests in flight, and no answer waits long. */
const READS_AT_A_TIME = 64;

/** Most nodes of a service. */
const MOST_NODES = 100_000;

/** Attempts to write an entry that other clients remove and create in between. */
const MOST_WRITES = 3;

/** The entries of a service by the names of their nodes: the text, or why it cannot be read. */
type Entries = Map<string, string | Error>;

/**
 * ZooKeeper. An entry is an ephemeral node of the one session of this client. Requests of a session are executed in order, and a
 * server ignores a connection once another one has taken over its session: a late registration is not executed. A watch is
 * recursive and persistent; each reported node is read.
 */
class ZooKeeper implements Backend {
  readonly type = 'zookeeper';
  readonly title = 'ZooKeeper';
  readonly address: string;
  readonly capabilities = { push: true, lagMs: 250, expires: true } as const;
  readonly beatMs: number;
  readonly #session: ZooKeeperSession;
  readonly #hasUser: boolean;
  readonly #prefix: string;
  readonly #isForSpring: boolean;
  readonly #reader: EntryReader;
  /** Nodes that may exist and outlive this client. */
  readonly #held = new Set<string>();
  /** Number of followers of a service, by the path of its node. */
  readonly #followed = new Map<string, number>();

  constructor(options: UrlOptions, context: AdapterContext) {
    const { clock } = context;
    const servers = options.servers(PORT);
    const user = options.user();
    const sessionMs = options.integer('sessionMs', 15_000, 1_000, 3_600_000);
    this.address = addressOf(servers);
    this.#hasUser = user !== undefined;
    this.#prefix = `/${options.text('prefix') ?? 'microservices'}`.replace(/\/+/g, '/').replace(/\/$/, '');
    this.#isForSpring = options.flag('spring', false);
    this.beatMs = Math.max(sessionMs / 3, 1_000);
    this.#reader = new EntryReader('ZooKeeper node', context);
    this.#session = new ZooKeeperSession({
      clock,
      servers,
      tls: options.tls(),
      sessionMs,
      user: user && `${user.name}:${user.password}`,
    });
    options.done();
  }

  get failure(): Failure | undefined {
    return this.#session.failure;
  }

  write(instance: Instance): Promise<void> {
    const path = this.#pathOf(instance);
    const text = encodeEntry(instance, this.#isForSpring);
    this.#held.add(path);
    return this.#using(async (nodes) => {
      for (let left = MOST_WRITES; left > 0; left--) {
        if (await nodes.create(path, text)) return;
        const owner = await nodes.ownerOf(path);
        // It may belong to an earlier process, and would end with that process's session.
        if (owner !== nodes.link.session.id) await nodes.delete(path);
        else if (await nodes.set(path, text)) return;
      }
      throw new Error(`another client keeps writing ${path}`);
    });
  }

  /** The connection keeps the session; the entry is written again when the session was lost or another client has removed it. */
  async beat(instance: Instance): Promise<void> {
    const isThere = await this.#using(
      async (nodes) => (await nodes.ownerOf(this.#pathOf(instance))) === nodes.link.session.id,
    );
    if (!isThere) await this.write(instance);
  }

  /** On failure it abandons the session, with which the entry ends. */
  async remove(instance: Instance): Promise<void> {
    const path = this.#pathOf(instance);
    try {
      await this.#using((nodes) => nodes.delete(path));
      this.#held.delete(path);
    } catch (thrown) {
      this.#session.renew();
      throw thrown;
    }
  }

  list(service: string): Promise<readonly Instance[]> {
    return this.#using(async (nodes) => {
      const folder = this.#folderOf(service);
      const entries: Entries = new Map();
      await readInto(entries, nodes, folder, new Set(await nodes.children(folder)));
      return this.#read(entries, service);
    });
  }

  /** One round lasts as long as the connection. */
  rounds(service: string): Round {
    const folder = this.#folderOf(service);
    return (deliver, signal) =>
      this.#using(async (nodes) => {
        const entries: Entries = new Map();
        const changed = new Set<string>();
        let wake = (): void => {};
        const stop = nodes.link.listen((path) => {
          if (path !== undefined) {
            if (!isDirectlyBelow(folder, path)) return;
            changed.add(path.slice(folder.length + 1));
          }
          wake();
        });
        const forget = whenAborted(signal, () => wake());
        try {
          this.#count(folder, 1);
          await nodes.watch(folder);
          for (const name of await nodes.children(folder)) changed.add(name);
          while (!signal.aborted) {
            const change = new Promise<void>((resolve) => {
              wake = resolve;
            });
            await readInto(entries, nodes, folder, changed);
            this.#session.note();
            deliver(() => this.#read(entries, service));
            if (changed.size === 0 && nodes.link.isOpen && !signal.aborted) await change;
            if (!nodes.link.isOpen) await nodes.link.lost;
          }
        } finally {
          stop();
          forget();
          if (this.#count(folder, -1) === 0) nodes.unwatch(folder).catch(() => {});
        }
        return 0;
      });
  }

  close(): Promise<void> {
    return this.#session.close(this.#held.size > 0);
  }

  /** Runs `work` over the connection and records its outcome. */
  async #using<T>(work: (nodes: ZooKeeperNodes) => Promise<T>): Promise<T> {
    try {
      const done = await work(new ZooKeeperNodes(await this.#session.link(), this.#hasUser));
      this.#session.note();
      return done;
    } catch (thrown) {
      this.#session.note(thrown);
      throw thrown;
    }
  }

  #count(folder: string, more: number): number {
    const count = (this.#followed.get(folder) ?? 0) + more;
    if (count > 0) this.#followed.set(folder, count);
    else this.#followed.delete(folder);
    return count;
  }

  #read(entries: Entries, service: string): readonly Instance[] {
    return this.#reader.read(
      [...entries],
      ([, found]) => {
        if (typeof found !== 'string') throw found;
        return decodeEntry(found, service);
      },
      ([name]) => `${this.#folderOf(service)}/${name}`,
    );
  }

  #pathOf({ service, instanceId }: Instance): string {
    return `${this.#folderOf(service)}/${nodeName(instanceId)}`;
  }

  #folderOf(service: string): string {
    return `${this.#prefix}/${nodeName(service)}`;
  }
}

/** Reads the changed nodes and removes them from `changed`; deleted ones are removed from `entries`. */
async function readInto(entries: Entries, nodes: ZooKeeperNodes, folder: string, changed: Set<string>): Promise<void> {
  while (changed.size > 0) {
    if (entries.size + changed.size > MOST_NODES) throw new Error(`${folder} has more than ${MOST_NODES} nodes`);
    const names = [...changed].slice(0, READS_AT_A_TIME);
    for (const name of names) changed.delete(name);
    const found = await Promise.all(names.map((name) => readNode(nodes, `${folder}/${name}`)));
    for (const [n, name] of names.entries())
      if (found[n] === undefined) entries.delete(name);
      else entries.set(name, found[n]);
  }
}

/** Skips a node that this user may not read, like one with an unreadable text. */
async function readNode(nodes: ZooKeeperNodes, path: string): Promise<string | Error | undefined> {
  try {
    return await nodes.read(path);
  } catch (thrown) {
    if (thrown instanceof ZooKeeperError) return asError(thrown);
    throw thrown;
  }
}

/** Deeper nodes are not entries, although the watch reports them. */
function isDirectlyBelow(folder: string, path: string): boolean {
  return path.startsWith(`${folder}/`) && !path.includes('/', folder.length + 1);
}

/** Any text as the name of a node: no slash, no control character, and neither `.` nor `..`. */
function nodeName(text: string): string {
  return /^\.\.?$/.test(text) ? text.replaceAll('.', '%2E') : encodeURIComponent(text).replaceAll('%3A', ':');
}

/**
 * Opens the ZooKeeper ensemble that a `zookeeper://host:port,host:port` URL names.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL
 */
export function zookeeperRegistry(url: URL, context: AdapterContext): Registry {
  return new ServerRegistry(new ZooKeeper(new UrlOptions(url, context.secrets), context), context);
}
