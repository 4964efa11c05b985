import { fileURLToPath } from 'node:url';
import { asError, LosslessError } from '../../errors.ts';
import { defaultDirectory } from '../../io/private-directory.ts';
import { removeFile } from '../../io/small-file.ts';
import type { Timer } from '../../lifecycle/clock.ts';
import type { RegistryContext } from '../context.ts';
import type { Instance, Listener, Registry } from '../registry.ts';
import { TellOnce } from '../tell-once.ts';
import { Watches } from '../watches.ts';
import { EntryFiles } from './entry-files.ts';
import { FileWatch } from './watch.ts';

/** Interval at which own entries that were removed or damaged are written again, in milliseconds. */
const MEND_MS = 1_000;

/**
 * The embedded default: a directory on one machine. An entry counts while the process that wrote it lives, so one that was
 * killed disappears by itself. Writes and removals are done one after the other, so none is in flight when an entry is
 * removed; reading is synchronous.
 *
 * All processes must see the same process ids: one machine or one pod, not a volume shared between containers.
 */
class FileRegistry implements Registry {
  readonly type = 'file';
  readonly address: string;
  readonly capabilities = { push: true, lagMs: 100, expires: true } as const;
  readonly #context: RegistryContext;
  readonly #files: EntryFiles;
  readonly #mine = new Map<string, Instance>();
  readonly #watches = new Watches();
  readonly #told: TellOnce;
  /** Settles when the last write or removal has ended. Never rejects. */
  #lastTurn: Promise<unknown> = Promise.resolve();
  #mending: Timer | undefined;
  #closed = false;

  constructor(path: string | undefined, context: RegistryContext) {
    this.#context = context;
    this.#told = new TellOnce(context.log);
    const usual = path === undefined ? defaultDirectory('lossless-registry') : undefined;
    if (usual?.problem !== undefined)
      context.log('warn', `the registry of this user: ${usual.problem}`, { code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
    this.address = path ?? usual?.path ?? '';
    this.#files = new EntryFiles({
      root: this.address,
      isPrivate: path === undefined,
      onCorrupt: (file, problem) =>
        this.#told.warn(file, 'LOSSLESS_REGISTRY_CORRUPT', `the registry entry ${file} is skipped: ${problem}`),
    });
  }

  register(instance: Instance): Promise<void> {
    return this.#inTurn(async () => {
      await this.#files.write(instance);
      this.#mine.set(this.#files.pathOf(instance), instance);
      this.#mendLater();
    });
  }

  deregister(instance: Instance): Promise<void> {
    return this.#inTurn(async () => {
      const path = this.#files.pathOf(instance);
      // Creates a removed directory again: watchers take a missing directory for a failure, not for an empty list.
      if (this.#mine.delete(path)) await this.#files.prepare(instance.service);
      await removeFile(path);
    });
  }

  async instances(service: string): Promise<readonly Instance[]> {
    return this.#attempt(() => this.#files.read(service).map((entry) => entry.instance));
  }

  watch(service: string, listener: Listener): Promise<() => void> {
    const directory = this.#files.directoryOf(service);
    const watch = new FileWatch({
      directory,
      clock: this.#context.clock,
      read: () => this.#files.read(service),
      listener,
      onFailure: ({ message }) =>
        this.#context.log('warn', `${directory} cannot be read, the last list stays: ${message}`, {
          code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
        }),
    });
    return this.#watches.begin((signal) => this.#attempt(() => watch.start(signal)));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#mending?.cancel();
    this.#watches.close();
    this.#mine.clear();
    await this.#lastTurn;
  }

  /** Writes own entries again, repeatedly. */
  #mendLater(): void {
    if (this.#closed) return;
    this.#mending ??= this.#context.clock.after(MEND_MS, () =>
      this.#inTurn(async () => {
        for (const [path, instance] of this.#mine) await this.#mend(path, instance);
        this.#mending = undefined;
        this.#mendLater();
      }),
    );
  }

  async #mend(path: string, instance: Instance): Promise<void> {
    try {
      if (this.#files.readOne(path, instance.service) === undefined) await this.#files.write(instance);
    } catch (thrown) {
      const message = `${path} cannot be written again: ${asError(thrown).message}`;
      this.#told.warn(`put ${path}`, 'LOSSLESS_REGISTRY_UNAVAILABLE', message);
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#lastTurn.then(work).catch((thrown: unknown) => {
      throw this.#unavailable(thrown);
    });
    this.#lastTurn = turn.catch(() => {});
    return turn;
  }

  #attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      throw this.#unavailable(thrown);
    }
  }

  #unavailable(thrown: unknown): LosslessError {
    const message = `the registry directory ${this.address} cannot be used: ${asError(thrown).message}`;
    return new LosslessError('LOSSLESS_REGISTRY_UNAVAILABLE', message, { cause: thrown });
  }
}

/**
 * Opens the registry that a `file:` URL names: `file:` alone is a directory of this user under the temporary directory. It
 * touches nothing before its first use.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL when the URL is not that of a path on this machine
 */
export function fileRegistry(url: URL, context: RegistryContext): Registry {
  return new FileRegistry(pathOf(url), context);
}

function pathOf(url: URL): string | undefined {
  if (url.host === '' && (url.pathname === '' || url.pathname === '/')) return undefined;
  try {
    return fileURLToPath(url);
  } catch (thrown) {
    const message = `expected file: or file:///path, received ${url.protocol}//${url.host}: ${asError(thrown).message}`;
    throw new LosslessError('LOSSLESS_REGISTRY_URL', message);
  }
}
