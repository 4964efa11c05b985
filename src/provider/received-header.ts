import type { IncomingMessage } from 'node:http';
import { indexOfHeader } from '../protocol/raw-headers.ts';

/** Parts of a request that Node.js keeps under symbols without a name of their own (lib/_http_incoming.js, Node.js 22 to 26). */
const PARTS = ['kHeadersCount', 'kHeaders', 'kHeadersDistinct'] as const;

type Parts = Record<string | symbol, unknown>;

/**
 * Takes a header of ours out of requests, however often it came, so that an application that copies the headers it received
 * does not pass it on. A request builds `headers` from the first so many of `rawHeaders`, later or never, and that number must
 * shrink with them. Where it cannot be found nothing is taken out, and the value is read all the same.
 */
export class ReceivedHeader {
  readonly #name: string;
  #count: symbol | undefined;
  #built: readonly symbol[] = [];

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
    const count = this.#find(request);
    if (count === undefined || parts[count] !== rawHeaders.length) return value;
    for (let at = first; at >= 0; at = indexOfHeader(rawHeaders, this.#name)) rawHeaders.splice(at, 2);
    parts[count] = rawHeaders.length;
    for (const symbol of this.#built) {
      const built = parts[symbol] as Parts | null | undefined;
      if (built) delete built[this.#name];
    }
    return value;
  }

  #find(request: IncomingMessage): symbol | undefined {
    if (this.#count !== undefined && this.#count in request) return this.#count;
    const symbols = Object.getOwnPropertySymbols(request);
    const of = (part: string): symbol | undefined => symbols.find(({ description }) => description === part);
    const [count, ...built] = PARTS.map(of);
    this.#count = count;
    this.#built = built.filter((symbol) => symbol !== undefined);
    return count;
  }
}
