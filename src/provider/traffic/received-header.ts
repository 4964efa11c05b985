import type { IncomingMessage } from 'node:http';
import { indexOfHeader } from '../../protocol/raw-headers.ts';

/** How many of its `rawHeaders` a request builds its headers from (lib/_http_incoming.js, Node.js 22 to 26). */
const COUNT = 'kHeadersCount';

/** The headers object, if it is already built. */
const BUILT = ['kHeaders', 'kHeadersDistinct'];

type Parts = Record<string | symbol, unknown>;

/**
 * Removes every occurrence of a header of the plugin from requests, so that an application that copies received headers does not
 * forward it. A request builds `headers` lazily from the first entries of `rawHeaders`, whose number must shrink too. Where that
 * number cannot be found, nothing is removed; the value is still read.
 */
export class ReceivedHeader {
  readonly #name: string;

  /** @param name in lower case */
  constructor(name: string) {
    this.#name = name;
  }

  /** Its first value; undefined when it is absent. */
  take(request: IncomingMessage): string | undefined {
    const { rawHeaders } = request;
    const first = indexOfHeader(rawHeaders, this.#name);
    if (first < 0) return undefined;
    const value = rawHeaders[first + 1];
    const parts = request as unknown as Parts;
    const symbols = Object.getOwnPropertySymbols(request);
    const count = symbols.find(({ description }) => description === COUNT);
    if (count === undefined || parts[count] !== rawHeaders.length) return value;
    for (let at = first; at >= 0; at = indexOfHeader(rawHeaders, this.#name)) rawHeaders.splice(at, 2);
    parts[count] = rawHeaders.length;
    // Which of them a request has differs: they are set when they are first asked for.
    for (const symbol of symbols) {
      const built = BUILT.includes(symbol.description ?? '') ? (parts[symbol] as Parts | null) : undefined;
      if (built) delete built[this.#name];
    }
    return value;
  }
}
