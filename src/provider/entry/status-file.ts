import { closeSync, constants, lstatSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { asError } from '../../errors.ts';
import type { Sink } from '../../lifecycle/journal.ts';
import type { Trigger } from '../../lifecycle/transitions.ts';
import type { Log } from '../../log.ts';

/** Moves with which an instance stops being ready. */
const LEAVING: readonly Trigger[] = ['offline', 'moved'];

/** Never follows a link: whoever may put one there could have another file overwritten. */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

/**
 * A file that is there while this instance is ready: a proxy beside the application looks at it. It is the first thing that goes in
 * an offline, and comes back with an undo. What an earlier process has left, killed or not, goes when this one starts.
 */
export class StatusFile {
  readonly #path: string;
  readonly #log: Log;
  #isFailing = false;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  /** Whether the last attempt to write or remove it failed, so that its reader is wrong. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  /** To be called when the process starts. */
  clear(): void {
    this.#attempt('removed', () => this.#remove());
  }

  /** To be subscribed to the journal. */
  readonly sink: Sink = (record) => {
    if (record.kind === 'ended' && record.work === 'ready') this.#attempt('written', () => this.#write());
    else if (record.kind === 'transition' && LEAVING.includes(record.trigger)) this.clear();
  };

  #write(): void {
    const file = openSync(this.#path, FLAGS, 0o644);
    try {
      writeSync(file, `${process.pid}\n`);
    } finally {
      closeSync(file);
    }
  }

  #remove(): void {
    const found = lstatSync(this.#path, { throwIfNoEntry: false });
    if (found === undefined) return;
    if (!found.isFile()) throw new Error('expected a plain file there, found a link, a directory or a device');
    unlinkSync(this.#path);
  }

  /** A status file that fails costs its reader the truth, and nobody else anything. */
  #attempt(what: string, work: () => void): void {
    try {
      work();
      this.#isFailing = false;
    } catch (thrown) {
      this.#isFailing = true;
      this.#log(
        'error',
        `LOSSLESS_STATUS_FILE: ${this.#path} cannot be ${what}: ${asError(thrown).message}. Name a plain file in a directory that this user may write to`,
        { code: 'LOSSLESS_STATUS_FILE' },
      );
    }
  }
}
