import { asError } from '../errors.ts';
import type { AdapterContext } from './context.ts';
import type { Instance } from './registry.ts';
import type { Secrets } from './secrets.ts';
import { TellOnce } from './tell-once.ts';

/** An instance; undefined for an entry that takes no calls; or the error of a skipped entry. */
export type Decoded = Instance | Error | undefined;

/** Reads the entries of lists. It skips an unreadable entry and logs it once. */
export class EntryReader {
  readonly #kind: string;
  readonly #secrets: Secrets;
  readonly #corrupt: TellOnce;

  /** @param kind of the entries for people, for example `Consul service` */
  constructor(kind: string, { log, secrets }: AdapterContext) {
    this.#kind = kind;
    this.#secrets = secrets;
    this.#corrupt = new TellOnce(log);
  }

  /**
   * @param decode returns the instances of an entry, none or more, and the errors of the others; throws when it is unreadable
   * @param nameOf the name of an entry for people
   * @returns in the order of their ids
   */
  read<Entry>(
    entries: readonly Entry[],
    decode: (entry: Entry) => Decoded | readonly Decoded[],
    nameOf: (entry: Entry) => string,
  ): readonly Instance[] {
    return entries
      .flatMap((entry) => {
        const found = [attempt(() => decode(entry))].flat();
        return found.flatMap((each) => {
          if (each instanceof Error) this.#tell(nameOf(entry), each);
          return each === undefined || each instanceof Error ? [] : [each];
        });
      })
      .sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
  }

  #tell(entry: string, { message }: Error): void {
    const name = this.#secrets.excerpt(entry);
    this.#corrupt.warn(
      name,
      'LOSSLESS_REGISTRY_CORRUPT',
      `the ${this.#kind} ${name} is skipped: ${this.#secrets.excerpt(message)}`,
    );
  }
}

function attempt<T>(decode: () => T): T | Error {
  try {
    return decode();
  } catch (thrown) {
    return asError(thrown);
  }
}
