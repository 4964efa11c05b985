import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asError, LosslessError } from '../errors.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import { makePrivateDirectory } from '../private-directory.ts';
import type { SpoolUsage } from './tracing.ts';

/** Most files and bytes that wait; the oldest go first. */
const MOST_FILES = 1_000;
const MOST_BYTES = 64 * 1_024 * 1_024;

/** Most files that are kept aside because they cannot be read. */
const MOST_CORRUPT = 100;

/** A file claimed this long ago, in milliseconds, belongs to a process that died while it sent it. */
const STALE_MS = 60_000;

const WAITING = '.json';
const CLAIMED = '.sending';
const CORRUPT = '.corrupt';

/** A file that is ours to send. */
export interface Claim {
  readonly body: string;
  /** It was delivered. */
  done(): Promise<void>;
  /** It was not; somebody else may try. */
  release(): Promise<void>;
}

/** A bounded directory of request bodies that could not be sent. Files are written aside, synced and renamed. */
export class Spool {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #log: Log;

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
   * Keeps one request body before it returns: for a process that is about to end. The bound is kept by the next `put`.
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
    return (await this.#names()).filter((name) => name.endsWith(WAITING)).length;
  }

  /** What waits. */
  async usage(): Promise<SpoolUsage> {
    const files = await this.#waiting();
    return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) };
  }

  /** Takes the oldest file that waits, so that no other process takes it too; undefined when none does. */
  async claim(): Promise<Claim | undefined> {
    await this.#reclaim();
    for (const name of (await this.#names()).filter((each) => each.endsWith(WAITING))) {
      const path = join(this.#directory, name);
      const claimed = `${path}${CLAIMED}`;
      try {
        await rename(path, claimed);
      } catch {
        continue;
      }
      const body = await this.#readBody(claimed);
      if (body === undefined) {
        await this.#setAside(path, claimed);
        continue;
      }
      return { body, done: () => rm(claimed, { force: true }), release: () => rename(claimed, path).catch(() => {}) };
    }
    return undefined;
  }

  /** Names sort by age. */
  #newName(): string {
    return `${this.#clock.wall()}-${process.pid}-${randomBytes(4).toString('hex')}`;
  }

  async #names(): Promise<readonly string[]> {
    const names = await readdir(this.#directory).catch(() => []);
    return names.filter((name) => !name.startsWith('.')).sort();
  }

  async #readBody(path: string): Promise<string | undefined> {
    try {
      if ((await stat(path)).size > MOST_BYTES) return undefined;
      const body = await readFile(path, 'utf8');
      const parsed = JSON.parse(body) as { resourceSpans?: unknown } | null;
      return Array.isArray(parsed?.resourceSpans) ? body : undefined;
    } catch {
      return undefined;
    }
  }

  async #setAside(path: string, claimed: string): Promise<void> {
    await rename(claimed, `${path}${CORRUPT}`).catch(() => {});
    this.#log('warn', `the spooled file ${path} is not OTLP JSON; set aside as ${path}${CORRUPT}`, {
      code: 'LOSSLESS_SPOOL_CORRUPT',
    });
    const corrupt = (await this.#names()).filter((name) => name.endsWith(CORRUPT));
    for (const name of corrupt.slice(0, -MOST_CORRUPT)) await rm(join(this.#directory, name), { force: true });
  }

  /** Gives back what dead processes had claimed: a rename sets the change time, which tells when. */
  async #reclaim(): Promise<void> {
    for (const name of (await this.#names()).filter((each) => each.endsWith(CLAIMED))) {
      const path = join(this.#directory, name);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && this.#clock.wall() - found.ctimeMs > STALE_MS)
        await rename(path, path.slice(0, -CLAIMED.length)).catch(() => {});
    }
  }

  /** Files that wait, oldest first. */
  async #waiting(): Promise<{ readonly path: string; readonly size: number }[]> {
    const files = (await this.#names())
      .filter((name) => name.endsWith(WAITING))
      .map(async (name) => {
        const path = join(this.#directory, name);
        const found = await stat(path).catch(() => undefined);
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
      removed++;
      await rm(oldest.path, { force: true });
    }
    if (removed > 0)
      this.#log('warn', `the spool ${this.#directory} is full; ${removed} of its oldest files were removed`, {
        code: 'LOSSLESS_SPOOL_FULL',
      });
  }
}
