import { asError } from '../errors.ts';
import type { RegistryContext } from './open.ts';
import type { Instance } from './registry.ts';
import { TellOnce } from './tell-once.ts';

/** Reads the entries of lists. One that cannot be read is passed over, which is told once. */
export class EntryReader {
  readonly #kind: string;
  readonly #corrupt: TellOnce;

  /** @param kind of the entries for people, for example `Consul service` */
  constructor(kind: string, { log }: RegistryContext) {
    this.#kind = kind;
    this.#corrupt = new TellOnce(log);
  }

  /**
   * @param decode the instances of an entry, none or more; throws when it cannot be read
   * @param nameOf what an entry is called for people
   * @returns in the order of their ids
   */
  read<Entry>(
    entries: readonly Entry[],
    decode: (entry: Entry) => Instance | readonly Instance[] | undefined,
    nameOf: (entry: Entry) => string,
  ): readonly Instance[] {
    return entries
      .flatMap((entry) => {
        try {
          return decode(entry) ?? [];
        } catch (thrown) {
          const name = nameOf(entry).slice(0, 200);
          const message = `the ${this.#kind} ${name} is passed over: ${asError(thrown).message}`;
          this.#corrupt.warn(name, 'LOSSLESS_REGISTRY_CORRUPT', message);
          return [];
        }
      })
      .sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
  }
}
