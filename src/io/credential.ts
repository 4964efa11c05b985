import { readFileSync, statSync } from 'node:fs';

/** Longest certificate, key or token file, in bytes. */
const LONGEST_FILE = 1_024 * 1_024;

/**
 * The text of a token, certificate or key. Links are followed: that is how Kubernetes mounts them.
 *
 * @throws Error when it cannot be read or is too long
 */
export function readCredential(path: string): string {
  if (statSync(path).size > LONGEST_FILE) throw new Error(`${path} has more than ${LONGEST_FILE} bytes`);
  return readFileSync(path, 'utf8');
}
