import { chmodSync, lstatSync, mkdirSync } from 'node:fs';

/**
 * Makes a directory that the processes of one user share, and nobody else reads.
 *
 * @throws Error when it cannot be made, or belongs to somebody else
 */
export function makePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = lstatSync(path);
  const uid = process.geteuid?.();
  if (!found.isDirectory() || (uid !== undefined && found.uid !== uid)) throw new Error('it belongs to somebody else');
  if ((found.mode & 0o077) !== 0) chmodSync(path, 0o700);
}
