import { randomBytes } from 'node:crypto';
import { lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asError, LosslessError } from '../errors.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import { makePrivateDirectory } from '../private-directory.ts';
import { readSmall } from '../registry/small-file.ts';
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

const WAITING = '.json';
const CLAIMED = '.sending';
const CORRUPT = '.corrupt';

/** A file that waits, whether or not somebody sends it now. */
const HELD = /\.json(\.sending)?$/;

/** A file that is being written. */
const ASIDE = /^\.\d+-\d+-[0-9a-f]{8}$/;

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

/** A bounded directory of request bodies that could not be sent. Files are written aside, synced and renamed. */
export class Spool {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #used: { readonly at: number; readonly usage: Promise<SpoolUsage> } | undefined;

  constructor(directory: string, clock: Clock, log: Log) {
    this.#directory = directory;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Keeps one request body.
   *
   * @throws LosslessError LOSSLESS_SPOOL_UNWRITABLE
   */
  async put(body: string): Promise<void> {
    try {
      makePrivateDirectory(this.#directory);
      const name = this.#newName();
      const aside = join(this.#directory, `.${name}`);
      try {
        const file = await open(aside, 'wx', 0o600);
        try {
          await file.writeFile(body);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(aside, join(this.#directory, `${name}${WAITING}`));
      } catch (thrown) {
        await rm(aside, { force: true });
        throw thrown;
      }
    } catch (thrown) {
      throw new LosslessError(
        'LOSSLESS_SPOOL_UNWRITABLE',
        `spans cannot be kept in ${this.#directory}: ${asError(thrown).message}`,
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
    makePrivateDirectory(this.#directory);
    const name = this.#newName();
    const aside = join(this.#directory, `.${name}`);
    try {
      writeFileSync(aside, body, { mode: 0o600, flag: 'wx' });
      renameSync(aside, join(this.#directory, `${name}${WAITING}`));
    } catch (thrown) {
      rmSync(aside, { force: true });
      throw thrown;
    }
  }

  /** How many files wait. */
  async size(): Promise<number> {
    return (await this.#held()).length;
  }

  /** What waits, as it was at most a second ago. */
  usage(): Promise<SpoolUsage> {
    const now = this.#clock.now();
    if (this.#used === undefined || now - this.#used.at >= USAGE_MS) this.#used = { at: now, usage: this.#measure() };
    return this.#used.usage;
  }

  async #measure(): Promise<SpoolUsage> {
    const files = await this.#waiting();
    return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) };
  }

  /**
   * The files that wait now, oldest first, each taken so that no other process takes it too.
   *
   * @throws LosslessError LOSSLESS_EXPORT_FAILED when somebody else could have put them there
   */
  async *claims(): AsyncGenerator<Claim, void, undefined> {
    this.#assertOwn();
    await this.#tidy();
    const unread: string[] = [];
    for (const name of (await this.#held()).filter((each) => each.endsWith(WAITING))) {
      const path = join(this.#directory, name);
      const claimed = `${path}${CLAIMED}`;
      const release = (): Promise<void> => rename(claimed, path).catch(() => {});
      let body: string;
      try {
        await rename(path, claimed);
      } catch {
        continue; // Somebody else was first.
      }
      try {
        body = readBody(claimed);
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
    if (unread.length > 0) this.#log('warn', `${unread.length} spooled files cannot be read: ${unread[0]}`);
  }

  /** Names sort by age. */
  #newName(): string {
    return `${this.#clock.wall()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  }

  #assertOwn(): void {
    try {
      if (lstatSync(this.#directory, { throwIfNoEntry: false }) !== undefined) makePrivateDirectory(this.#directory);
    } catch (thrown) {
      throw new LosslessError(
        'LOSSLESS_EXPORT_FAILED',
        `what is spooled in ${this.#directory} is not sent: ${asError(thrown).message}`,
        { cause: thrown },
      );
    }
  }

  async #names(): Promise<readonly string[]> {
    return (await readdir(this.#directory).catch(() => [])).sort();
  }

  async #held(): Promise<readonly string[]> {
    return (await this.#names()).filter((name) => HELD.test(name) && !name.startsWith('.'));
  }

  async #setAside(path: string, why: string): Promise<void> {
    await rename(`${path}${CLAIMED}`, `${path}${CORRUPT}`).catch(() => {});
    this.#log('warn', `the spooled file ${path} was set aside as ${path}${CORRUPT}: ${why}`, {
      code: 'LOSSLESS_SPOOL_CORRUPT',
    });
    const corrupt = (await this.#names()).filter((name) => name.endsWith(CORRUPT));
    for (const name of corrupt.slice(0, -MOST_CORRUPT))
      await rm(join(this.#directory, name), { force: true }).catch(() => {});
  }

  /**
   * Gives back what dead processes had claimed, removes what they had begun, and keeps the bound, which those do not that
   * spool at their exit. A rename sets the change time, which tells when a file was claimed.
   */
  async #tidy(): Promise<void> {
    for (const name of (await this.#names()).filter((each) => each.endsWith(CLAIMED) || ASIDE.test(each))) {
      const path = join(this.#directory, name);
      const found = await lstat(path).catch(() => undefined);
      if (found === undefined || this.#clock.wall() - found.ctimeMs <= STALE_MS) continue;
      if (name.endsWith(CLAIMED)) await rename(path, path.slice(0, -CLAIMED.length)).catch(() => {});
      else await rm(path, { force: true }).catch(() => {});
    }
    await this.#bound();
  }

  /** Files that wait, oldest first. */
  async #waiting(): Promise<{ readonly path: string; readonly size: number }[]> {
    const files = (await this.#held()).map(async (name) => {
      const path = join(this.#directory, name);
      const found = await lstat(path).catch(() => undefined);
      return found === undefined ? [] : [{ path, size: found.size }];
    });
    return (await Promise.all(files)).flat();
  }

  async #bound(): Promise<void> {
    const files = await this.#waiting();
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
      this.#log('warn', `the spool ${this.#directory} is full; ${removed} of its oldest files were removed`, {
        code: 'LOSSLESS_SPOOL_FULL',
      });
  }
}

/** What a file holds is no request body, and never will be. */
class Corrupt extends Error {}

/**
 * @throws Corrupt
 * @throws Error when it cannot be read now
 */
function readBody(path: string): string {
  const body = readPlain(path);
  let parsed: { resourceSpans?: unknown } | null;
  try {
    parsed = JSON.parse(body) as typeof parsed;
  } catch {
    parsed = null;
  }
  if (!Array.isArray(parsed?.resourceSpans)) throw new Corrupt('it is not OTLP JSON');
  return body;
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
