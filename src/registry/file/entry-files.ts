import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { asError } from '../../errors.ts';
import { mkdir } from '../../io/off-loop.ts';
import { namesIn, readSmall, removeFile, writerOf, writeSmall } from '../../io/small-file.ts';
import { isRunning } from '../../process/started-at.ts';
import { decodeEntry, ENTRY_LIMIT, type Entry, encodeEntry, isAlive } from '../entry.ts';
import type { Instance } from '../registry.ts';

/** Most files of one service; further ones are not read, and none is added. */
const MOST_FILES = 10_000;

/** Mode bits with which other users may write in a directory. */
const WRITABLE_BY_OTHERS = 0o022;

/** Directory of the entries. */
export interface EntryFilesOptions {
  readonly root: string;
  /** The root must belong only to this user, because any user could have created it first. */
  readonly isPrivate: boolean;
  /** Called with each unusable file, at each read. */
  readonly onCorrupt: (path: string, problem: string) => void;
}

/**
 * The entries of the `file:` registry on disk: one directory for each service, with one file for each instance, written aside and
 * renamed. Unusable files are skipped and never removed. Methods throw errors of the disk.
 */
export class EntryFiles {
  readonly #options: EntryFilesOptions;

  constructor(options: EntryFilesOptions) {
    this.#options = options;
  }

  /** The living entries of a service, in a stable order; none when there is no directory. */
  read(service: string): readonly Entry[] {
    this.#checkOwner();
    const directory = this.directoryOf(service);
    const names = namesIn(directory, MOST_FILES);
    if (names.length === MOST_FILES) this.#options.onCorrupt(directory, `only ${MOST_FILES} of its files are read`);
    return names
      .filter((name) => writerOf(name) === undefined)
      .flatMap((name) => this.readOne(join(directory, name), service) ?? [])
      .filter(isAlive)
      .sort((a, b) => (a.instance.instanceId < b.instance.instanceId ? -1 : 1));
  }

  /** @returns undefined when there is no usable entry */
  readOne(path: string, service: string): Entry | undefined {
    try {
      const text = readSmall(path, ENTRY_LIMIT);
      if (text === undefined) return undefined;
      const entry = decodeEntry(text);
      if (entry.instance.service !== service || this.pathOf(entry.instance) !== path)
        throw new Error('its name is not that of its instance');
      return entry;
    } catch (thrown) {
      this.#options.onCorrupt(path, asError(thrown).message);
      return undefined;
    }
  }

  /** Writes the entry of an instance of this process, replacing an existing one. */
  async write(instance: Instance): Promise<void> {
    const text = encodeEntry(instance);
    const size = Buffer.byteLength(text);
    if (size > ENTRY_LIMIT) throw new Error(`an entry may have ${ENTRY_LIMIT} bytes, this one has ${size}`);
    await this.prepare(instance.service);
    if ((await this.#sweep(instance.service)) >= MOST_FILES)
      throw new Error(`the service has ${MOST_FILES} files already`);
    await writeSmall(this.pathOf(instance), text);
  }

  /** Makes the directory of a service. */
  async prepare(service: string): Promise<void> {
    const { root, isPrivate } = this.#options;
    await mkdir(root, isPrivate ? { recursive: true, mode: 0o700 } : { recursive: true });
    this.#checkOwner();
    await mkdir(this.directoryOf(service), { recursive: true });
  }

  pathOf({ service, instanceId }: Instance): string {
    return join(this.directoryOf(service), `${digest(instanceId)}.json`);
  }

  /** Keeps plain names for people; encodes others, and names that a file system may treat as equal. */
  directoryOf(service: string): string {
    const isPlain = /^[a-z0-9][a-z0-9._-]{0,127}$/.test(service);
    return join(this.#options.root, isPlain ? service : `~${digest(service)}`);
  }

  #checkOwner(): void {
    const uid = process.geteuid?.();
    if (!this.#options.isPrivate || uid === undefined) return;
    const stat = lstatSync(this.#options.root, { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (!stat.isDirectory()) throw new Error('it is not a directory; remove it');
    if (stat.uid !== uid) throw new Error(`it belongs to user ${stat.uid}, this process runs as ${uid}; remove it`);
    if ((stat.mode & WRITABLE_BY_OTHERS) !== 0) throw new Error('other users may write in it; set its mode to 0700');
  }

  /** Removes files of dead processes, as far as permitted; returns the number of other files. */
  async #sweep(service: string): Promise<number> {
    const directory = this.directoryOf(service);
    const names = namesIn(directory, MOST_FILES);
    const left = names.filter((name) => this.#isLeft(directory, name, service));
    // Files of another user stay.
    for (const name of left) await removeFile(join(directory, name)).catch(() => {});
    return names.length - left.length;
  }

  #isLeft(directory: string, name: string, service: string): boolean {
    const writer = writerOf(name);
    if (writer !== undefined) return !isRunning(writer);
    const entry = this.readOne(join(directory, name), service);
    return entry !== undefined && !isAlive(entry);
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 40);
}
