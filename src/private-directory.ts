import { chmodSync, lstatSync, mkdirSync } from 'node:fs';

/**
 * Makes a directory that the processes of one user share, and nobody else reads.
 *
 * @throws Error when it cannot be made, or is not a directory of this user
 */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = lstatSync(path);
  const uid = process.geteuid?.();
  if (found.isSymbolicLink()) throw new Error('it is a link');
  if (!found.isDirectory()) throw new Error('it is no directory');
  if (uid !== undefined && found.uid !== uid)
    throw new Error(`it belongs to somebody else (user ${found.uid}, not ${uid}); a directory inside it would do`);
  if ((found.mode & 0o077) !== 0) chmodSync(path, 0o700);
}
