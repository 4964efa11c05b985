import { closeSync, constants, lstatSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { asError } from '../../errors.ts';
import type { Sink } from '../../lifecycle/journal.ts';
import type { Trigger } from '../../lifecycle/transitions.ts';
import type { Log } from '../../log.ts';

/** Moves with which an instance stops being ready. */
const LEAVING: readonly Trigger[] = ['offline', 'moved'];

/** Never follows a link: a user who may create one could have another file overwritten. */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

/**
 * A file that exists while this instance is ready, for a proxy beside the application. An offline removes it first, and an undo
 * writes it again. The start removes the file of an earlier process.
 */
export class StatusFile {
  readonly #path: string;
  readonly #log: Log;
  #isFailing = false;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  /** Whether the last attempt to write or remove it failed, so that its reader sees an old state. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  /** Call when the process starts. */
  clear(): void {
    this.#attempt('removed', () => this.#remove());
  }

  /** Subscribe it to the journal. */
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

  /** A failure affects only the reader of the file. */
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
