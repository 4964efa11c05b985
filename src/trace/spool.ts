import { lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Signal } from '../config/target.ts';
import { asError, LosslessError } from '../errors.ts';
import { lstat, readdir, rename, rm } from '../io/off-loop.ts';
import { findPrivateDirectory, makePrivateDirectory } from '../io/private-directory.ts';
import { readSmall } from '../io/small-file.ts';
import { objectIn } from '../json.ts';
import type { Clock } from '../lifecycle/clock.ts';
import { randomHex } from '../lifecycle/random-hex.ts';
import type { Log } from '../log.ts';
import { Deaths } from './deaths.ts';
import { closingBody, readLastWill } from './last-will.ts';
import { SIGNALS, type SignalSchema } from './signals.ts';
import type { SpoolUsage } from './tracing.ts';

/** Most files and bytes that wait; the oldest go first. */
const MOST_FILES = 1_000;
const MOST_BYTES = 64 * 1_024 * 1_024;

/** Most files that are kept aside, as unreadable or refused. */
const MOST_CORRUPT = 100;

/** A file claimed or begun this long ago, in milliseconds, belongs to a dead process. */
const STALE_MS = 60_000;

/** Longest use of a claim, in milliseconds: well before another process takes its owner for dead. */
export const LONGEST_CLAIM_MS = STALE_MS / 2;

/** How long a measured usage is reused, in milliseconds: measuring may visit a thousand files, and several callers ask. */
const USAGE_MS = 1_000;

const WILL = '.leaving';
const CLAIMED = '.sending';
const CORRUPT = '.corrupt';

/** A file that waits or is being sent. */
const HELD = /\.(json|metrics)(\.sending)?$/;

/** The last will of a process, which waits for its death. */
const WILLS = /\.leaving(\.sending)?$/;

/** The label of the target in the name of a file. Files put there by hand have none. */
const LABEL = /^\d+-\d+-[0-9a-f]{8}\.([A-Za-z0-9._-]+)\.(json|metrics|leaving)(\.sending)?$/;

/** A file that is being written. */
const ASIDE = /^\.\d+-\d+-[0-9a-f]{8}$/;

/** Where a file is written first, and what it is renamed to. */
export interface NewFile {
  readonly aside: string;
  readonly path: string;
}

const NOTHING = { directory: '', names: [] } as const;

/** A file that this process may send. No method rejects: after a failure the file stays as it is until it is stale. */
export interface Claim {
  readonly body: string;
  /** Removes it: the collector took it. */
  done(): Promise<void>;
  /** Gives it back for another try. */
  release(): Promise<void>;
  /** Keeps it for people to look at; it is never sent again. */
  setAside(why: string): Promise<void>;
}

export interface SpoolOptions {
  /** Where the files are; when other users may write there, a directory of this user inside it. */
  readonly directory: string;
  /** Label of the collector that the files are for (`targetLabel`). */
  readonly target: string;
  /** Signal of the files that are kept and sent. Default: traces. */
  readonly signal?: Signal;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A bounded directory of unsent request bodies and of last wills; the name of each file says for which collector. A file is
 * written aside, synced where the file system can, and renamed.
 */
export class Spool {
  readonly #options: SpoolOptions;
  readonly #deaths: Deaths;
  readonly #signal: SignalSchema;
  #used: { readonly at: number; readonly usage: Promise<SpoolUsage> } | undefined;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#deaths = new Deaths(options.clock);
    this.#signal = SIGNALS[options.signal ?? 'traces'];
  }

  /**
   * Keeps one request body.
   *
   * @throws LosslessError LOSSLESS_SPOOL_UNWRITABLE
   */
  async put(body: string): Promise<void> {
    try {
      const { aside, path } = this.#newFile(this.#signal.suffix);
      try {
        const file = await open(aside, 'wx', 0o600);
        try {
          await file.writeFile(body);
          // Some file systems cannot sync; the file is written all the same.
          await file.sync().catch(() => {});
        } finally {
          await file.close();
        }
        await rename(aside, path);
      } catch (thrown) {
        await rm(aside, { force: true });
        throw thrown;
      }
    } catch (thrown) {
      throw new LosslessError(
        'LOSSLESS_SPOOL_UNWRITABLE',
        `the plugin cannot write ${this.#signal.items} to ${this.#options.directory}: ${asError(thrown).message}`,
        { cause: thrown },
      );
    }
    await this.#bound();
  }

  /**
   * Keeps one request body before it returns: for a process that is about to end. The next `put` or replay enforces the bound.
   *
   * @throws Error when it cannot be written
   */
  putNow(body: string): void {
    const { aside, path } = this.#newFile(this.#signal.suffix);
    try {
      writeFileSync(aside, body, { mode: 0o600, flag: 'wx' });
      renameSync(aside, path);
    } catch (thrown) {
      rmSync(aside, { force: true });
      throw thrown;
    }
  }

  /**
   * The names of a new last will.
   *
   * @throws Error when the directory cannot be used
   */
  newWill(): NewFile {
    return this.#newFile(WILL);
  }

  /** Number of files that wait for this target, and of last wills whose owners may be alive or dead. */
  async size(everyTarget = false): Promise<number> {
    const held = await this.#held();
    return held.filter((name) => everyTarget || this.#isOurs(name)).length + this.#deaths.unsure;
  }

  /** Number of files that wait for other targets, by label. */
  async others(): Promise<Readonly<Record<string, number>>> {
    const labels = (await this.#held()).filter((name) => !this.#isOurs(name)).map(labelOf);
    return Object.fromEntries(
      [...Map.groupBy(labels, (label) => label ?? '')].map(([label, all]) => [label, all.length]),
    );
  }

  /** The word for the content of the files in messages. */
  get items(): string {
    return this.#signal.items;
  }

  /** Last wills whose owners may be alive or dead, at the last look. */
  get unsure(): number {
    return this.#deaths.unsure;
  }

  /** What waits, as it was at most a second ago. */
  usage(): Promise<SpoolUsage> {
    const now = this.#options.clock.now();
    if (this.#used === undefined || now - this.#used.at >= USAGE_MS) this.#used = { at: now, usage: this.#measure() };
    return this.#used.usage;
  }

  async #measure(): Promise<SpoolUsage> {
    const files = await this.#files(HELD);
    return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) };
  }

  /**
   * Claims the files that wait now, oldest first, so that no other process sends them too: request bodies, and the closing roots of
   * processes that died while they left.
   *
   * @param everyTarget includes files for other collectors
   * @throws LosslessError LOSSLESS_EXPORT_FAILED when another user could have put them there
   */
  async *claims(everyTarget = false): AsyncGenerator<Claim, void, undefined> {
    const directory = this.#found();
    if (directory === undefined) return;
    await this.#tidy(directory);
    this.#deaths.lookAgain();
    const unread: string[] = [];
    for (const name of await this.#names()) {
      if (!everyTarget && !this.#isOurs(name)) continue;
      const isWill = name.endsWith(WILL) && this.#signal === SIGNALS.traces;
      if (!isWill && !name.endsWith(this.#signal.suffix)) continue;
      const path = join(directory, name);
      const claimed = `${path}${CLAIMED}`;
      const release = (): Promise<void> => rename(claimed, path).catch(() => {});
      let body: string;
      try {
        if (isWill && !this.#deaths.isProved(path)) continue;
        await rename(path, claimed);
      } catch {
        continue; // Another process was first, or the file is gone.
      }
      try {
        body = isWill ? readClosing(claimed) : readBody(claimed, this.#signal.list);
      } catch (thrown) {
        if (thrown instanceof Corrupt) await this.#setAside(path, thrown.message);
        else {
          unread.push(asError(thrown).message);
          await release();
        }
        continue;
      }
      yield {
        body,
        done: () => rm(claimed, { force: true }).catch(() => {}),
        release,
        setAside: (why) => this.#setAside(path, why),
      };
    }
    if (unread.length > 0)
      this.#options.log('warn', `the plugin cannot read ${unread.length} spooled files: ${unread[0]}`);
  }

  /** Names sort by age. */
  #newFile(suffix: string): NewFile {
    const { clock, directory, target } = this.#options;
    const own = makePrivateDirectory(directory);
    const name = `${clock.wall()}-${process.pid}-${randomHex(4)}`;
    return { aside: join(own, `.${name}`), path: join(own, `${name}.${target}${suffix}`) };
  }

  /** Whether this process may send a file. */
  #isOurs(name: string): boolean {
    return [undefined, this.#options.target].includes(labelOf(name));
  }

  /** @throws LosslessError LOSSLESS_EXPORT_FAILED */
  #found(): string | undefined {
    const { directory } = this.#options;
    try {
      return findPrivateDirectory(directory);
    } catch (thrown) {
      throw new LosslessError(
        'LOSSLESS_EXPORT_FAILED',
        `the plugin cannot send the spool in ${directory}: ${asError(thrown).message}`,
        { cause: thrown },
      );
    }
  }

  /** Files of this signal that wait, for any target. */
  async #held(): Promise<readonly string[]> {
    const { suffix } = this.#signal;
    return (await this.#names()).filter((name) => [suffix, `${suffix}${CLAIMED}`].some((end) => name.endsWith(end)));
  }

  /** Names of finished files; empty when the directory cannot be used. */
  async #names(): Promise<readonly string[]> {
    return (await this.#listing()).names.filter((name) => !name.startsWith('.'));
  }

  async #listing(): Promise<{ readonly directory: string; readonly names: readonly string[] }> {
    try {
      const directory = findPrivateDirectory(this.#options.directory);
      return directory === undefined ? NOTHING : { directory, names: (await readdir(directory)).sort() };
    } catch {
      return NOTHING;
    }
  }

  async #setAside(path: string, why: string): Promise<void> {
    const failed = await rename(`${path}${CLAIMED}`, `${path}${CORRUPT}`).then(() => undefined, asError);
    const became =
      failed === undefined ? `was set aside as ${path}${CORRUPT}` : `cannot be set aside (${failed.message})`;
    this.#options.log('warn', `the spooled file ${path} ${became}: ${why}`, { code: 'LOSSLESS_SPOOL_CORRUPT' });
    const corrupt = (await this.#names()).filter((name) => name.endsWith(CORRUPT));
    for (const name of corrupt.slice(0, -MOST_CORRUPT))
      await rm(join(dirname(path), name), { force: true }).catch(() => {});
  }

  /**
   * Gives back the claims of dead processes, removes their unfinished files, and enforces the bound, which `putNow` does not. A
   * rename sets the change time, so that time says when a file was claimed.
   */
  async #tidy(directory: string): Promise<void> {
    for (const name of (await this.#listing()).names.filter((each) => each.endsWith(CLAIMED) || ASIDE.test(each))) {
      const path = join(directory, name);
      const found = await lstat(path).catch(() => undefined);
      if (found === undefined || this.#options.clock.wall() - found.ctimeMs <= STALE_MS) continue;
      if (name.endsWith(CLAIMED)) await rename(path, path.slice(0, -CLAIMED.length)).catch(() => {});
      else await rm(path, { force: true }).catch(() => {});
    }
    await this.#bound();
  }

  /** Files of one kind, oldest first. */
  async #files(kind: RegExp): Promise<{ readonly path: string; readonly size: number }[]> {
    const { directory, names } = await this.#listing();
    const files = names
      .filter((name) => kind.test(name) && !name.startsWith('.'))
      .map(async (name) => {
        const path = join(directory, name);
        const found = await lstat(path).catch(() => undefined);
        return found === undefined ? [] : [{ path, size: found.size }];
      });
    return (await Promise.all(files)).flat();
  }

  async #bound(): Promise<void> {
    for (const kind of [HELD, WILLS]) await this.#boundOf(await this.#files(kind));
  }

  async #boundOf(files: { readonly path: string; readonly size: number }[]): Promise<void> {
    let bytes = files.reduce((sum, file) => sum + file.size, 0);
    let removed = 0;
    while (files.length > MOST_FILES || bytes > MOST_BYTES) {
      const oldest = files.shift();
      if (oldest === undefined) break;
      bytes -= oldest.size;
      await rm(oldest.path, { force: true }).then(
        () => removed++,
        () => {},
      );
    }
    if (removed > 0)
      this.#options.log(
        'warn',
        `the spool ${this.#options.directory} is full; the plugin removed its ${removed} oldest files`,
        { code: 'LOSSLESS_SPOOL_FULL' },
      );
  }
}

function labelOf(name: string): string | undefined {
  return LABEL.exec(name)?.[1];
}

/** The file holds neither a request body nor a last will. */
class Corrupt extends Error {}

/**
 * @throws Corrupt
 * @throws Error when it cannot be read now
 */
function readBody(path: string, list: string): string {
  const body = readPlain(path);
  if (!Array.isArray(objectIn(body)?.[list])) throw new Corrupt('it is not OTLP JSON');
  return body;
}

/**
 * The request body with the closing root of a process that died while it left.
 *
 * @throws Corrupt
 * @throws Error when it cannot be read now
 */
function readClosing(path: string): string {
  const text = readPlain(path);
  try {
    return closingBody(readLastWill(text), lstatSync(path).mtimeMs);
  } catch (thrown) {
    throw new Corrupt(asError(thrown).message);
  }
}

function readPlain(path: string): string {
  let text: string | undefined;
  try {
    text = readSmall(path, MOST_BYTES);
  } catch (thrown) {
    // A system error may pass, except for a link. Any other error means that it is no plain file, or too long.
    const { code } = thrown as NodeJS.ErrnoException;
    throw code === undefined || code === 'ELOOP' ? new Corrupt(asError(thrown).message) : thrown;
  }
  if (text === undefined) throw new Error(`${path} is gone`);
  return text;
}
