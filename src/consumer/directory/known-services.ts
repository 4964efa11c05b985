import { join } from 'node:path';
import { asError } from '../../errors.ts';
import { findPrivateDirectory, makePrivateDirectory } from '../../io/private-directory.ts';
import { readSmall, writeSmall } from '../../io/small-file.ts';
import { parseJson } from '../../json.ts';
import type { Log } from '../../log.ts';

/** Most names, and the longest file, in bytes. */
const MOST = 50;
const LIMIT = 16_384;

/** Form of a name (docs/reference/variables.md, LOSSLESS_SERVICE). */
const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/;

/**
 * The services that a service calls, remembered from one start to the next in a file that all its instances on this machine
 * share: a JSON list, the latest first.
 */
export class KnownServices {
  readonly #directory: string;
  readonly #name: string;
  readonly #log: Log;
  /** Services called since the start, as far as they are remembered. */
  readonly #called = new Set<string>();
  #writing: Promise<void> | undefined;

  /** @param directory as private as that of the spool; created when a service is remembered */
  constructor(directory: string, service: string, log: Log) {
    this.#directory = directory;
    this.#name = `${encodeURIComponent(service)}.calls`;
    this.#log = log;
  }

  /** Services called since the start, and those in the file; an invalid or missing file counts as empty. */
  get names(): readonly string[] {
    return [...new Set([...[...this.#called].reverse(), ...this.#read()])].slice(0, MOST);
  }

  /** Remembers a service. The file is written later, once for several services. */
  add(name: string): void {
    if (this.#called.has(name) || this.#called.size >= MOST) return;
    this.#called.add(name);
    this.#writing ??= Promise.resolve().then(() => this.#write());
  }

  #read(): readonly string[] {
    try {
      const directory = findPrivateDirectory(this.#directory);
      if (directory === undefined) return [];
      const names = parseJson(readSmall(join(directory, this.#name), LIMIT) ?? '[]', 'it');
      if (!Array.isArray(names)) return [];
      return names.filter((name) => typeof name === 'string' && NAME.test(name)).slice(0, MOST);
    } catch (thrown) {
      this.#log('debug', `${this.#name} in ${this.#directory} is skipped: ${asError(thrown).message}`);
      return [];
    }
  }

  async #write(): Promise<void> {
    try {
      // Again for those that came while it was written.
      for (let written = 0; written < this.#called.size; ) {
        written = this.#called.size;
        // Path of the file. Services that are no longer called move to the end and are dropped first.
        const kept = this.#read().slice(0, written);
        if ([...this.#called].every((name) => kept.includes(name))) continue;
        await writeSmall(join(makePrivateDirectory(this.#directory), this.#name), JSON.stringify(this.names));
      }
    } catch (thrown) {
      this.#log('debug', `the services that are called cannot be remembered: ${asError(thrown).message}`);
    } finally {
      this.#writing = undefined;
    }
  }
}
