import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Others may write in a directory with one of these bits. */
const WRITABLE_BY_OTHERS = 0o022;

const ROOT = 0;

/**
 * The directory for files that only the processes of one user may write: `path`, which is created when missing. Where others may
 * write too, as in the mount point of a volume, it is a directory of this user inside it. An existing directory keeps its mode.
 *
 * @throws Error when it cannot be created, or another user could replace it
 */
export function makePrivateDirectory(path: string): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const directory = placeIn(path, lstatSync(path));
  if (directory === path) return path;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  assertOwn(lstatSync(directory));
  return directory;
}

/**
 * The same directory if it exists; creates nothing.
 *
 * @throws Error when another user could have written its content
 */
export function findPrivateDirectory(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  const directory = placeIn(path, found);
  if (directory === path) return path;
  const inside = lstatSync(directory, { throwIfNoEntry: false });
  if (inside === undefined) return undefined;
  assertOwn(inside);
  return directory;
}

/** The default directory of this user, and the problem of the usual place. */
export interface DefaultDirectory {
  readonly path: string;
  /** Why the usual place, in the temporary directory, cannot be used. */
  readonly problem?: string;
}

/**
 * A directory that all processes of this user find without configuration: in the temporary directory, or, when another user has
 * taken its name there, in the cache of the user's home.
 */
export function defaultDirectory(name: string): DefaultDirectory {
  const uid = process.geteuid?.();
  const usual = join(tmpdir(), uid === undefined ? name : `${name}-${uid}`);
  try {
    const found = lstatSync(usual, { throwIfNoEntry: false });
    if (found !== undefined) assertOwn(found);
    return { path: usual };
  } catch (thrown) {
    return elsewhere(name, `${usual} cannot be used (${(thrown as Error).message})`) ?? { path: usual };
  }
}

function elsewhere(name: string, why: string): DefaultDirectory | undefined {
  try {
    const path = join(homedir(), '.cache', 'lossless-lifecycle', name);
    return { path, problem: `${why}; ${path} is used instead` };
  } catch {
    return undefined; // A user without a home.
  }
}

/** @throws Error when other users can change `path` and any directory inside it */
function placeIn(path: string, found: Stats): string {
  const uid = process.geteuid?.();
  assertDirectory(found);
  if (uid === undefined) return path;
  // The owner of a directory can replace its content; root can anyway.
  if (found.uid !== uid && found.uid !== ROOT) throw new Error(`it belongs to another user (${found.uid}, not ${uid})`);
  return found.uid === uid && (found.mode & WRITABLE_BY_OTHERS) === 0 ? path : join(path, `lossless-${uid}`);
}

function assertOwn(found: Stats): void {
  assertDirectory(found);
  const uid = process.geteuid?.();
  if (uid === undefined) return;
  if (found.uid !== uid) throw new Error(`it belongs to another user (${found.uid}, not ${uid})`);
  if ((found.mode & WRITABLE_BY_OTHERS) !== 0) throw new Error('other users may write in it');
}

function assertDirectory(found: Stats): void {
  if (found.isSymbolicLink()) throw new Error('it is a link');
  if (!found.isDirectory()) throw new Error('it is not a directory');
}
