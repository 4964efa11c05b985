import { asError } from '../../errors.ts';
import { isObject } from '../../json.ts';
import { whenAborted } from '../../lifecycle/abort.ts';
import { within } from '../../lifecycle/within.ts';
import type { AdapterContext } from '../context.ts';
import { decodeInstance } from '../entry.ts';
import { EntryReader } from '../entry-reader.ts';
import type { Round } from '../follow.ts';
import type { Capabilities, Failure, Instance } from '../registry.ts';
import type { Backend } from '../server-registry.ts';
import type { RegistryBackend } from './backend.ts';

/** Longest call, in milliseconds, as for every other registry. */
const CALL_MS = 3_000;

/** Most entries of a list. */
const MOST_ENTRIES = 100_000;

/** Longest wait between two rounds, in milliseconds: that of a timer. */
const LONGEST_PAUSE_MS = 2 ** 31 - 1;

/** The backend of a module, whose answers the plugin checks: calls end in time, and lists are read entry by entry. */
export class CheckedBackend implements Backend {
  readonly type: string;
  readonly #backend: RegistryBackend;
  readonly #context: AdapterContext;
  readonly #entries: EntryReader;
  #failure: Failure | undefined;

  constructor(type: string, backend: RegistryBackend, context: AdapterContext) {
    this.type = type;
    this.#backend = backend;
    this.#context = context;
    this.#entries = new EntryReader(`${backend.title} entry`, context);
  }

  get title(): string {
    return this.#backend.title;
  }

  get address(): string {
    return this.#backend.address;
  }

  get capabilities(): Capabilities {
    return this.#backend.capabilities;
  }

  get beatMs(): number {
    return this.#backend.beatMs;
  }

  get failure(): Failure | undefined {
    return this.#failure;
  }

  async write(instance: Instance, former?: Instance): Promise<void> {
    await this.#ask('write', () => this.#backend.write(instance, former));
  }

  async beat(instance: Instance): Promise<void> {
    await this.#ask('beat', () => this.#backend.beat(instance));
  }

  async remove(instance: Instance): Promise<void> {
    await this.#ask('remove', () => this.#backend.remove(instance));
  }

  list(service: string): Promise<readonly Instance[]> {
    return this.#ask('list', async () => this.#read(service, await this.#backend.list(service)));
  }

  rounds(service: string): Round {
    let round: Round | undefined;
    let isListed = false;
    return (deliver, signal) =>
      this.#watched(async () => {
        round ??= this.#backend.rounds(service);
        const [first, refused] = [Promise.withResolvers<void>(), Promise.withResolvers<never>()];
        const ending = new AbortController();
        const forget = whenAborted(signal, () => ending.abort());
        const running = Promise.race([
          invoke(
            round,
            (list) => {
              if (ending.signal.aborted) return;
              try {
                deliver(this.#read(service, typeof list === 'function' ? list() : list));
                this.#failure = undefined;
                isListed = true;
                first.resolve();
              } catch (thrown) {
                refused.reject(thrown);
              }
            },
            ending.signal,
          ),
          refused.promise,
        ]);
        try {
          if (!isListed) await this.#inTime('rounds', Promise.race([first.promise, running]));
          const pauseMs = await running;
          if (!isListed) throw new Error('a round has ended without a list');
          if (!(pauseMs >= 0 && pauseMs <= LONGEST_PAUSE_MS)) throw new Error('a round gave no number of milliseconds');
          return pauseMs;
        } catch (thrown) {
          ending.abort();
          if (signal.aborted) return 0;
          throw thrown;
        } finally {
          forget();
        }
      });
  }

  async close(): Promise<void> {
    await this.#ask('close', () => this.#backend.close?.());
  }

  /** A call that must end in time. */
  async #ask<T>(call: string, work: () => T | PromiseLike<T>): Promise<T> {
    return this.#watched(async () => {
      const answer = await this.#inTime(call, invoke(work));
      this.#failure = undefined;
      return answer;
    });
  }

  #inTime<T>(call: string, work: Promise<T>): Promise<T> {
    return within(this.#context.clock, CALL_MS, work, () => {
      throw new Error(`its ${call} has not ended within ${CALL_MS} ms`);
    });
  }

  /** Remembers a failure, without its secrets. */
  async #watched<T>(work: () => Promise<T>): Promise<T> {
    const { clock, secrets } = this.#context;
    try {
      return await work();
    } catch (thrown) {
      const message = secrets.excerpt(asError(thrown).message);
      this.#failure = { since: this.#failure?.since ?? clock.wall(), message };
      throw new Error(message, { cause: thrown });
    }
  }

  #read(service: string, list: unknown): readonly Instance[] {
    if (!Array.isArray(list)) throw new Error('expected a list of instances');
    if (list.length > MOST_ENTRIES)
      throw new Error(`expected at most ${MOST_ENTRIES} instances, received ${list.length}`);
    return this.#entries.read<unknown>(
      list,
      (entry) => {
        const instance = decodeInstance(entry);
        return instance.service === service ? instance : new Error(`it is of another service than ${service}`);
      },
      (entry) => (isObject(entry) && typeof entry['instanceId'] === 'string' ? entry['instanceId'] : `of ${service}`),
    );
  }
}

/** Calls a function that may throw or return no promise. */
async function invoke<Given extends readonly unknown[], T>(
  call: (...given: Given) => T | PromiseLike<T>,
  ...given: Given
): Promise<T> {
  return call(...given);
}
