import type { IncomingMessage } from 'node:http';
import { indexOfHeader } from '../protocol/raw-headers.ts';

/** Under which name Node.js keeps how much of `rawHeaders` a request has, to read no more when it is asked for its headers. */
const COUNT = 'kHeadersCount';

type Counted = IncomingMessage & { [count: symbol]: unknown };

/**
 * Takes a header out of requests: the application does not find it, so that one that copies the headers it received does not
 * pass on to others what was meant for us.
 */
export class ReceivedHeader {
  readonly #name: string;
  #count: symbol | undefined;

  /** @param name in lower case */
  constructor(name: string) {
    this.#name = name;
  }

  /** Its value, the first if it came several times; undefined: it did not come. */
  take(request: IncomingMessage): string | undefined {
    const { rawHeaders } = request;
    const at = indexOfHeader(rawHeaders, this.#name);
    if (at < 0) return undefined;
    const value = rawHeaders[at + 1];
    this.#cut(request as Counted, at);
    // Node.js itself asks for them right after this.
    delete request.headers[this.#name];
    return value;
  }

  /** Where Node.js does not say how much there is, `rawHeaders` stay as they came. */
  #cut(request: Counted, first: number): void {
    const { rawHeaders } = request;
    this.#count ??= Object.getOwnPropertySymbols(request).find(({ description }) => description === COUNT);
    if (this.#count === undefined || request[this.#count] !== rawHeaders.length) return;
    for (let at = first; at >= 0; at = indexOfHeader(rawHeaders, this.#name)) rawHeaders.splice(at, 2);
    request[this.#count] = rawHeaders.length;
  }
}
