import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, opendirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asError, LosslessError } from '../errors.ts';
import type { Timer } from '../lifecycle/clock.ts';
import { decodeEntry, ENTRY_LIMIT, type Entry, encodeEntry } from './entry.ts';
import type { RegistryContext } from './open.ts';
import { isRunning, startedAt } from './process.ts';
import type { Instance, Listener, Registry } from './registry.ts';

/** How often a watched directory is looked at, in milliseconds: half of the 100 ms that are promised. */
const POLL_MS = 50;

/** How often zombies and re-used process ids are looked for, and own entries put back, in milliseconds. */
const CHECK_MS = 1_000;

/** A directory changed this recently, in milliseconds, is read again: its time stamp has the grain of the kernel's tick. */
const RACY_MS = 100;

/** Most entries of one service. */
const MOST_ENTRIES = 10_000;

/** Most corrupt entries that are told of. */
const MOST_TOLD = 1_000;

/**
 * The embedded default: a directory on one machine, in it one directory for each service, in that one file for each
 * instance, written aside and renamed. An entry counts while the process that wrote it lives, so one that was killed
 * disappears by itself. Everything is synchronous: small files, and no write can be in flight when an entry is removed.
 *
 * All processes must see the same process ids: one machine or one pod, not a volume shared between containers.
 */
class FileRegistry implements Registry {
  readonly type = 'file';
  readonly address: string;
  readonly capabilities = { push: false, lagMs: 100, expires: true } as const;
  readonly #context: RegistryContext;
  readonly #isDefault: boolean;
  readonly #mine = new Map<string, Instance>();
  readonly #watches = new Set<Watch>();
  readonly #told = new Set<string>();
  #heartbeat: Timer | undefined;

  constructor(url: URL, context: RegistryContext) {
    this.#context = context;
    this.#isDefault = url.pathname === '/' || url.pathname === '';
    this.address = this.#isDefault ? join(tmpdir(), `lossless-registry-${userInfo().uid}`) : fileURLToPath(url);
  }

  async register(instance: Instance): Promise<void> {
    const path = this.#pathOf(instance);
    try {
      this.#write(path, instance);
      this.#sweep(instance.service);
    } catch (thrown) {
      throw unavailable(this.address, thrown);
    }
    this.#mine.set(path, instance);
    this.#heartbeat ??= this.#beat();
  }

  async deregister(instance: Instance): Promise<void> {
    const path = this.#pathOf(instance);
    this.#mine.delete(path);
    try {
      rmSync(path, { force: true });
    } catch (thrown) {
      throw unavailable(this.address, thrown);
    }
  }

  async instances(service: string): Promise<readonly Instance[]> {
    try {
      return this.#read(service).map((entry) => entry.instance);
    } catch (thrown) {
      throw unavailable(this.address, thrown);
    }
  }

  async watch(service: string, listener: Listener): Promise<() => void> {
    const { clock } = this.#context;
    const watch = new Watch(this.#directoryOf(service), () => this.#read(service), listener, clock.wall);
    watch.first();
    this.#watches.add(watch);
    const poll = (): void => {
      if (!this.#watches.has(watch)) return;
      watch.look();
      clock.after(POLL_MS, poll);
    };
    clock.after(POLL_MS, poll);
    return () => void this.#watches.delete(watch);
  }

  async close(): Promise<void> {
    this.#watches.clear();
    this.#mine.clear();
    this.#heartbeat?.cancel();
  }

  /** Puts own entries back that somebody removed. */
  #beat(): Timer {
    return this.#context.clock.after(CHECK_MS, () => {
      for (const [path, instance] of this.#mine) {
        try {
          if (statSync(path, { throwIfNoEntry: false }) === undefined) this.#write(path, instance);
        } catch (thrown) {
          this.#tellOnce(path, `cannot be put back: ${asError(thrown).message}`);
        }
      }
      this.#heartbeat = this.#beat();
    });
  }

  #write(path: string, instance: Instance): void {
    const text = encodeEntry({ pid: process.pid, started: startedAt(process.pid) ?? 0, instance });
    if (Buffer.byteLength(text) > ENTRY_LIMIT) throw new Error(`an entry may have ${ENTRY_LIMIT} bytes, this one has ${Buffer.byteLength(text)}`);
    const directory = this.#directoryOf(instance.service);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (this.#isDefault) this.#checkOwner();
    const aside = join(directory, `.${process.pid}-${randomBytes(6).toString('hex')}`);
    try {
      writeFileSync(aside, text, { mode: 0o600, flag: 'wx' });
      renameSync(aside, path);
    } catch (thrown) {
      rmSync(aside, { force: true });
      throw thrown;
    }
  }

  /** The default directory is in a place where anybody may have made it first. */
  #checkOwner(): void {
    const { uid } = userInfo();
    const stat = lstatSync(this.address);
    if (!stat.isDirectory() || (uid >= 0 && stat.uid !== uid)) throw new Error(`${this.address} belongs to somebody else`);
  }

  /** The living entries of a service, in a stable order. */
  #read(service: string): readonly Entry[] {
    const directory = this.#directoryOf(service);
    return namesIn(directory)
      .flatMap((name) => this.#readEntry(join(directory, name), service) ?? [])
      .filter(isAlive)
      .sort((a, b) => (a.instance.instanceId < b.instance.instanceId ? -1 : 1));
  }

  #readEntry(path: string, service: string): Entry | undefined {
    try {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined) return undefined;
      if (!stat.isFile() || stat.size > ENTRY_LIMIT) throw new Error(`it is no file of at most ${ENTRY_LIMIT} bytes`);
      const entry = decodeEntry(readFileSync(path, 'utf8'));
      if (entry.instance.service !== service) throw new Error(`it belongs to another service`);
      return entry;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') this.#tellOnce(path, `is passed over: ${asError(thrown).message}`);
      return undefined;
    }
  }

  /** Removes what dead processes left behind. */
  #sweep(service: string): void {
    const directory = this.#directoryOf(service);
    for (const name of namesIn(directory)) {
      const entry = this.#readEntry(join(directory, name), service);
      if (entry !== undefined && !isAlive(entry)) rmSync(join(directory, name), { force: true });
    }
  }

  #tellOnce(path: string, what: string): void {
    if (this.#told.has(path) || this.#told.size >= MOST_TOLD) return;
    this.#told.add(path);
    this.#context.log('warn', `the registry entry ${path} ${what}`, { code: 'LOSSLESS_REGISTRY_CORRUPT' });
  }

  #pathOf({ service, instanceId }: Instance): string {
    return join(this.#directoryOf(service), `${digest(instanceId)}.json`);
  }

  #directoryOf(service: string): string {
    const plain = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(service);
    return join(this.address, plain ? service : `~${digest(service)}`);
  }
}

/** One watched directory: knows when it has to be read again, and delivers a list only when it differs. */
class Watch {
  readonly #directory: string;
  readonly #read: () => readonly Entry[];
  readonly #listener: Listener;
  readonly #wall: () => number;
  #entries: readonly Entry[] = [];
  #delivered = '';
  #modified = -1;
  #checkedAt = 0;

  constructor(directory: string, read: () => readonly Entry[], listener: Listener, wall: () => number) {
    this.#directory = directory;
    this.#read = read;
    this.#listener = listener;
    this.#wall = wall;
  }

  /** Reads and delivers at once; an error counts as an empty list, so that the watch can begin before the directory is there. */
  first(): void {
    this.#reread();
    if (this.#delivered === '') this.#deliver([]);
  }

  /** Reads again when the directory or a process has changed; keeps the last good list on an error. */
  look(): void {
    const now = this.#wall();
    const modified = statSync(this.#directory, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const racy = Math.abs(now - modified) < RACY_MS;
    const died = this.#entries.some((entry) => !isRunning(entry.pid));
    if (modified === this.#modified && !racy && !died && Math.abs(now - this.#checkedAt) < CHECK_MS) return;
    this.#modified = modified;
    this.#reread();
  }

  #reread(): void {
    this.#checkedAt = this.#wall();
    try {
      this.#entries = this.#read();
    } catch {
      return;
    }
    this.#deliver(this.#entries.map((entry) => entry.instance));
  }

  #deliver(instances: readonly Instance[]): void {
    const text = JSON.stringify(instances);
    if (text === this.#delivered) return;
    this.#delivered = text;
    try {
      this.#listener(instances);
    } catch {
      // A listener's failure is its own.
    }
  }
}

/** Opens the registry that a `file:` URL names; nothing is touched before it is used. */
export function fileRegistry(url: URL, context: RegistryContext): Registry {
  return new FileRegistry(url, context);
}

function isAlive({ pid, started }: Entry): boolean {
  const now = startedAt(pid);
  return now !== undefined && (now === started || now === 0 || started === 0);
}

/** Names of entries in a directory; none when there is no such directory. */
function namesIn(directory: string): readonly string[] {
  const names: string[] = [];
  try {
    const open = opendirSync(directory);
    try {
      for (let entry = open.readSync(); entry !== null && names.length < MOST_ENTRIES; entry = open.readSync())
        if (entry.name.endsWith('.json')) names.push(entry.name);
    } finally {
      open.closeSync();
    }
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
  }
  return names;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 40);
}

function unavailable(address: string, thrown: unknown): LosslessError {
  return new LosslessError('LOSSLESS_REGISTRY_UNAVAILABLE', `the registry directory ${address} cannot be used: ${asError(thrown).message}`, { cause: thrown });
}
