import type { IncomingMessage } from 'node:http';
import { indexOfHeader } from '../../protocol/raw-headers.ts';

/** How many of its `rawHeaders` a request builds its headers from (lib/_http_incoming.js, Node.js 22 to 26). */
const COUNT = 'kHeadersCount';

type Parts = Record<symbol, unknown>;

/** Symbols of Node.js, the same on all requests. */
interface Symbols {
  /** Undefined where Node.js has none. */
  readonly count: symbol | undefined;
  /** Of the headers objects; a request has each once somebody has asked for it. */
  readonly built: readonly symbol[];
}

/** Taken from a request of our own: to search those of each request would cost more than all the rest. */
function symbolsOfNode(): Symbols {
  const { IncomingMessage } = process.getBuiltinModule('node:http');
  const message = new IncomingMessage(new (process.getBuiltinModule('node:net').Socket)());
  const objects: unknown[] = [message.headers, message.headersDistinct];
  const symbols = Object.getOwnPropertySymbols(message);
  return {
    count: symbols.find(({ description }) => description === COUNT),
    built: symbols.filter((symbol) => objects.includes((message as unknown as Parts)[symbol])),
  };
}

/**
 * Removes every occurrence of a header of the plugin from requests, so that an application that copies received headers does not
 * forward it. A request builds `headers` lazily from the first entries of `rawHeaders`, whose number must shrink too. Where that
 * number cannot be found, nothing is removed; the value is still read.
 */
export class ReceivedHeader {
  readonly #name: string;
  #symbols: Symbols | undefined;

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
    this.#symbols ??= symbolsOfNode();
    const { count, built } = this.#symbols;
    const parts = request as unknown as Parts;
    if (count === undefined || parts[count] !== rawHeaders.length) return value;
    for (let at = first; at >= 0; at = indexOfHeader(rawHeaders, this.#name)) rawHeaders.splice(at, 2);
    parts[count] = rawHeaders.length;
    for (const symbol of built) {
      const headers = parts[symbol] as Record<string, unknown> | null | undefined;
      if (headers) delete headers[this.#name];
    }
    return value;
  }
}
