import { closeSync, constants, fstatSync, opendirSync, openSync, readFileSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { randomHex } from '../lifecycle/random-hex.ts';
import { rename, unlink, writeFile } from './off-loop.ts';

/** Suffix of an unfinished file: `.<pid>-<random>`, so that leftovers of a killed writer can be recognized. */
const ASIDE = /^\.(\d{1,10})-[0-9a-f]{12}$/;

/** Prevents waiting for the writer of a pipe; absent on Windows, like the next one. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
const NO_LINK = constants.O_NOFOLLOW ?? 0;

/** Longest token, certificate, key, list of authorities or description of a package, in bytes. */
const LONGEST_LINKED = 1_024 * 1_024;

/**
 * Reads a plain file of at most `limit` bytes; refuses a link.
 *
 * @returns undefined when there is no such file
 * @throws Error when it is not a plain file, is longer, or cannot be read
 */
export function readSmall(path: string, limit: number): string | undefined {
  try {
    return readPlain(path, READ | NO_LINK, limit);
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}

/**
 * Reads a plain file of at most 1 MiB, or a link to one, as Kubernetes mounts secrets.
 *
 * @throws Error when it is missing, is not a plain file, is longer, or cannot be read
 */
export function readLinked(path: string): string {
  return readPlain(path, READ, LONGEST_LINKED);
}

/**
 * The first `most` bytes of a file of the system, as Latin-1: half the cost of `readFileSync`.
 *
 * @throws Error when it cannot be read
 */
export function readStart(path: string, most: number): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafe(most);
    return bytes.toString('latin1', 0, readSync(file, bytes, 0, most, 0));
  } finally {
    closeSync(file);
  }
}

function readPlain(path: string, flags: number, limit: number): string {
  const file = openSync(path, flags);
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw new Error(`${path} is not a plain file`);
    if (found.size > limit) throw new Error(`${path} has more than ${limit} bytes`);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/**
 * Writes a file so that a reader sees all of it or nothing, and replaces an existing one. It works off the event loop, like the
 * removal: a busy disk has taken hundreds of milliseconds.
 */
export async function writeSmall(path: string, text: string): Promise<void> {
  const aside = join(dirname(path), `.${process.pid}-${randomHex(6)}`);
  try {
    await writeFile(aside, text, { flag: 'wx' });
    await rename(aside, path);
  } catch (thrown) {
    await removeFile(aside).catch(() => {});
    throw thrown;
  }
}

/** Removes a file, if there is one. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (thrown) {
    if (!isMissing(thrown)) throw thrown;
  }
}

/** The process that writes the file of this name, if the name is one of a file being written. */
export function writerOf(name: string): number | undefined {
  const pid = ASIDE.exec(name)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

/** At most `most` names of a directory; none when there is no such directory. */
export function namesIn(directory: string, most: number): readonly string[] {
  const names: string[] = [];
  try {
    const open = opendirSync(directory);
    try {
      for (let entry = open.readSync(); entry !== null && names.length < most; entry = open.readSync())
        names.push(entry.name);
    } finally {
      open.closeSync();
    }
  } catch (thrown) {
    if (!isMissing(thrown)) throw thrown;
  }
  return names;
}

function isMissing(thrown: unknown): boolean {
  return (thrown as NodeJS.ErrnoException).code === 'ENOENT';
}
