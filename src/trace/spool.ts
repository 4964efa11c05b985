import { randomBytes } from 'node:crypto';
import { lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Signal } from '../config/target.ts';
import { asError, LosslessError } from '../errors.ts';
import { findPrivateDirectory, makePrivateDirectory } from '../io/private-directory.ts';
import { readSmall } from '../io/small-file.ts';
import { objectIn } from '../json.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import { Deaths } from './deaths.ts';
import { closingBody, readLastWill } from './last-will.ts';
import { SIGNALS, type SignalSchema } from './signals.ts';
import type { SpoolUsage } from './tracing.ts';

/** Most files and bytes that wait; the oldest go first. */
const MOST_FILES = 1_000;
const MOST_BYTES = 64 * 1_024 * 1_024;

/** Most files that are kept aside because they cannot be read. */
const MOST_CORRUPT = 100;

/** A file claimed, or begun, this long ago, in milliseconds, belongs to a process that died meanwhile. */
const STALE_MS = 60_000;

/** Longest time in which a claim may be used, in milliseconds: well before somebody else takes it for a dead one's. */
export const LONGEST_CLAIM_MS = STALE_MS / 2;

/** How long a usage holds, in milliseconds: there may be a thousand files to look at, and more than one who asks. */
const USAGE_MS = 1_000;

const WILL = '.leaving';
const CLAIMED = '.sending';
const CORRUPT = '.corrupt';

/** A file that waits, whether or not somebody sends it now. */
const HELD = /\.(json|metrics)(\.sending)?$/;

/** The last will of a process, which waits for its death. */
const WILLS = /\.leaving(\.sending)?$/;

/** The label of its target in the name of a file; those that were put there by hand have none. */
const LABEL = /^\d+-\d+-[0-9a-f]{8}\.([A-Za-z0-9._-]+)\.(json|metrics|leaving)(\.sending)?$/;

/** A file that is being written. */
const ASIDE = /^\.\d+-\d+-[0-9a-f]{8}$/;

/** Where a file is written first, and what it is renamed to. */
export interface NewFile {
  readonly aside: string;
  readonly path: string;
}

const NOTHING = { directory: '', names: [] } as const;

/** A file that is ours to send. None of these rejects: the file then stays as it is, until it is stale. */
export interface Claim {
  readonly body: string;
  /** It was delivered. */
  done(): Promise<void>;
  /** It was not; somebody else may try. */
  release(): Promise<void>;
  /** It never will be; kept for people to look at. */
  setAside(why: string): Promise<void>;
}

export interface SpoolOptions {
  /** Where the files are, or a directory of this user inside it when others may write there. */
  readonly directory: string;
  /** Names the collector that the files are meant for (`targetLabel`); those for another one are left to it. */
  readonly target: string;
  /** What is kept and sent; the other signal's files are left to it. Default: traces. */
  readonly signal?: Signal;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * A bounded directory of request bodies that could not be sent, and of last wills, each for the collector that its name says.
 * Files are written aside, synced where the file system can, and renamed.
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
          // Not every file system can, and what is written is written.
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
        `${this.#signal.items} cannot be kept in ${this.#options.directory}: ${asError(thrown).message}`,
        { cause: thrown },
      );
    }
    await this.#bound();
  }

  /**
   * Keeps one request body before it returns: for a process that is about to end. The bound is kept by who spools or sends next.
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
   * Where a new last will is written, and where before it is renamed.
   *
   * @throws Error when the directory cannot be used
   */
  newWill(): NewFile {
    return this.#newFile(WILL);
  }

  /** How many files wait for this target, and last wills of whom nobody knows yet whether they live. */
  async size(everyTarget = false): Promise<number> {
    const held = await this.#held();
    return held.filter((name) => everyTarget || this.#isOurs(name)).length + this.#deaths.unsure;
  }

  /** How many files wait for other targets, by the labels of those. */
  async others(): Promise<Readonly<Record<string, number>>> {
    const labels = (await this.#held()).filter((name) => !this.#isOurs(name)).map(labelOf);
    return Object.fromEntries(
      [...Map.groupBy(labels, (label) => label ?? '')].map(([label, all]) => [label, all.length]),
    );
  }

  /** What the files hold, for people. */
  get items(): string {
    return this.#signal.items;
  }

  /** Last wills of processes that may live: they were last seen to stand still. */
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
   * The files that wait now, oldest first, each taken so that no other process takes it too: request bodies, and the closing
   * roots of those that died while they left.
   *
   * @param everyTarget also those that wait for other collectors
   * @throws LosslessError LOSSLESS_EXPORT_FAILED when somebody else could have put them there
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
        continue; // Somebody else was first, or nobody can tell.
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
    if (unread.length > 0) this.#options.log('warn', `${unread.length} spooled files cannot be read: ${unread[0]}`);
  }

  /** Names sort by age. */
  #newFile(suffix: string): NewFile {
    const { clock, directory, target } = this.#options;
    const own = makePrivateDirectory(directory);
    const name = `${clock.wall()}-${process.pid}-${randomBytes(4).toString('hex')}`;
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
        `the spool in ${directory} is not sent: ${asError(thrown).message}`,
        { cause: thrown },
      );
    }
  }

  /** Files of this signal that wait, for any target. */
  async #held(): Promise<readonly string[]> {
    const { suffix } = this.#signal;
    return (await this.#names()).filter((name) => [suffix, `${suffix}${CLAIMED}`].some((end) => name.endsWith(end)));
  }

  /** Of the files that are not being written; none of a directory that cannot be used. */
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
   * Gives back what dead processes had claimed, removes what they had begun, and keeps the bound, which those do not that
   * spool at their exit. A rename sets the change time, which tells when a file was claimed.
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
        `the spool ${this.#options.directory} is full; ${removed} of its oldest files were removed`,
        { code: 'LOSSLESS_SPOOL_FULL' },
      );
  }
}

function labelOf(name: string): string | undefined {
  return LABEL.exec(name)?.[1];
}

/** What a file holds is no request body, and never will be. */
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
    // An error of the system may pass, but for a link; else it is no plain file, or too long.
    const { code } = thrown as NodeJS.ErrnoException;
    throw code === undefined || code === 'ELOOP' ? new Corrupt(asError(thrown).message) : thrown;
  }
  if (text === undefined) throw new Error(`${path} is gone`);
  return text;
}
