import { NO_NODE, NODE_EXISTS, ZooKeeperError } from './error.ts';
import { JuteWriter } from './jute.ts';
import type { Operation, ZooKeeperLink } from './link.ts';

const CREATE = { name: 'create', type: 1 };
const DELETE = { name: 'delete', type: 2 };
const EXISTS = { name: 'exists', type: 3 };
const GET_DATA = { name: 'getData', type: 4 };
const SET_DATA = { name: 'setData', type: 5 };
const GET_CHILDREN = { name: 'getChildren', type: 8 };
const SYNC = { name: 'sync', type: 9 };
const REMOVE_WATCHES = { name: 'removeWatches', type: 18 };
const ADD_WATCH = { name: 'addWatch', type: 106 };

/** Any version of a node. */
const ANY = -1;

/** Modes of creating a node. */
const PERSISTENT = 0;
const EPHEMERAL = 1;

/** A persistent watch, on a node and all below it. */
const RECURSIVE = 1;

/** Kinds of watches that are removed: all. */
const ALL_WATCHES = 3;

/** Bytes of a node's description before its owning session. */
const BEFORE_OWNER = 44;

/** Permissions: to read; everything. */
const READ = 1;
const ALL = 31;

/** The nodes of a ZooKeeper, over one connection. */
export class ZooKeeperNodes {
  readonly link: ZooKeeperLink;
  readonly #isOwned: boolean;

  /** @param isOwned only the creator of a node may change it, and everybody may read it; otherwise everybody may do everything */
  constructor(link: ZooKeeperLink, isOwned: boolean) {
    this.link = link;
    this.#isOwned = isOwned;
  }

  /**
   * Creates a node that ends with the session, and its parents, which stay.
   *
   * @returns false when it is there
   */
  async create(path: string, text: string): Promise<boolean> {
    const first = await this.#create(path, text, EPHEMERAL);
    if (first !== 'orphan') return first === 'made';
    await this.#createParents(path);
    const second = await this.#create(path, text, EPHEMERAL);
    if (second === 'orphan') throw new Error(`the node above ${path} has vanished`);
    return second === 'made';
  }

  /** @returns false when there is none */
  set(path: string, text: string): Promise<boolean> {
    return this.#found(SET_DATA, path, new JuteWriter().bytes(Buffer.from(text)).int(ANY)).then(isThere);
  }

  /** @returns false when there was none */
  delete(path: string): Promise<boolean> {
    return this.#found(DELETE, path, new JuteWriter().int(ANY)).then(isThere);
  }

  /** The session with which a node ends; 0: none; undefined: there is no such node. */
  async ownerOf(path: string): Promise<bigint | undefined> {
    return (await this.#found(EXISTS, path, new JuteWriter().bool(false)))?.skip(BEFORE_OWNER).long();
  }

  /** The text of a node; undefined: there is no such node. */
  async read(path: string): Promise<string | undefined> {
    return (await this.#found(GET_DATA, path, new JuteWriter().bool(false)))?.text();
  }

  /**
   * The names of the nodes below this one. A follower answers when it has caught up with its leader. A leader may answer a moment
   * before it has applied what a follower has confirmed already; its watch then reports the change.
   */
  async children(path: string): Promise<readonly string[]> {
    const [, answer] = await Promise.all([
      this.link.request(SYNC, path),
      this.#found(GET_CHILDREN, path, new JuteWriter().bool(false)),
    ]);
    return answer?.texts() ?? [];
  }

  /** Asks the server to report every change of this node, which need not exist, and of all below it. */
  async watch(path: string): Promise<void> {
    await this.link.request(ADD_WATCH, path, new JuteWriter().int(RECURSIVE));
  }

  async unwatch(path: string): Promise<void> {
    await this.link.request(REMOVE_WATCHES, path, new JuteWriter().int(ALL_WATCHES));
  }

  /** From the nearest existing parent downwards: a user without permission for the upper ones needs them to exist. */
  async #createParents(path: string): Promise<void> {
    const missing: string[] = [];
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) {
      if ((await this.#create(parent, '', PERSISTENT)) !== 'orphan') break;
      missing.unshift(parent);
    }
    for (const parent of missing) await this.#create(parent, '', PERSISTENT);
  }

  async #create(path: string, text: string, mode: number): Promise<'made' | 'there' | 'orphan'> {
    const rest = this.#withRights(new JuteWriter().bytes(Buffer.from(text))).int(mode);
    try {
      await this.link.request(CREATE, path, rest);
      return 'made';
    } catch (thrown) {
      const { code } = thrown as ZooKeeperError;
      if (code === NODE_EXISTS) return 'there';
      if (code === NO_NODE) return 'orphan';
      throw thrown;
    }
  }

  #withRights(record: JuteWriter): JuteWriter {
    if (!this.#isOwned) return record.int(1).int(ALL).text('world').text('anyone');
    return record.int(2).int(ALL).text('auth').text('').int(READ).text('world').text('anyone');
  }

  /** The answer; undefined when there is no such node. */
  async #found(operation: Operation, path: string, rest: JuteWriter) {
    try {
      return await this.link.request(operation, path, rest);
    } catch (thrown) {
      if (thrown instanceof ZooKeeperError && thrown.code === NO_NODE) return undefined;
      throw thrown;
    }
  }
}

function isThere(answer: unknown): boolean {
  return answer !== undefined;
}

/** The root's parent is itself; both are the empty text here. */
function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}
