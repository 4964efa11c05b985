import type { IncomingMessage } from 'node:http';
import { indexOfHeader } from '../../protocol/raw-headers.ts';

/** How many of its `rawHeaders` a request builds its headers from (lib/_http_incoming.js, Node.js 22 to 26). */
const COUNT = 'kHeadersCount';

/** The headers that it has built already, if it has. */
const BUILT = ['kHeaders', 'kHeadersDistinct'];

type Parts = Record<string | symbol, unknown>;

/** Where a request keeps these, the same for all: looked up once, as that takes longer than all else here. */
interface Keys {
  readonly count: symbol;
  readonly built: readonly symbol[];
}

/**
 * Takes a header of ours out of requests, however often it came, so that an application that copies the headers it received
 * does not pass it on. A request builds `headers` from the first so many of `rawHeaders`, later or never, and that number must
 * shrink with them. Where it cannot be found nothing is taken out, and the value is read all the same.
 */
export class ReceivedHeader {
  readonly #name: string;
  #keys: Keys | undefined;

  /** @param name in lower case */
  constructor(name: string) {
    this.#name = name;
  }

  /** Its value as it came first; undefined when it did not. */
  take(request: IncomingMessage): string | undefined {
    const { rawHeaders } = request;
    const first = indexOfHeader(rawHeaders, this.#name);
    if (first < 0) return undefined;
    const value = rawHeaders[first + 1];
    const parts = request as unknown as Parts;
    this.#keys ??= keysOf(request);
    if (this.#keys === undefined || parts[this.#keys.count] !== rawHeaders.length) return value;
    for (let at = first; at >= 0; at = indexOfHeader(rawHeaders, this.#name)) rawHeaders.splice(at, 2);
    parts[this.#keys.count] = rawHeaders.length;
    for (const key of this.#keys.built) {
      const built = parts[key] as Parts | null | undefined;
      if (built) delete built[this.#name];
    }
    return value;
  }
}

/** Undefined when the number cannot be found. */
function keysOf(request: IncomingMessage): Keys | undefined {
  const symbols = Object.getOwnPropertySymbols(request);
  const count = symbols.find(({ description }) => description === COUNT);
  const built = symbols.filter(({ description = '' }) => BUILT.includes(description));
  return count && { count, built };
}
