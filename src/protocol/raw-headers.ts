import type { IncomingMessage } from 'node:http';

/**
 * The value of a header as it came, without building the object of all headers, which the application may never ask for.
 *
 * @param rawHeaders names and values in turn, as Node.js has them
 * @param name in lower case
 */
export function rawHeader(rawHeaders: readonly string[], name: string): string | undefined {
  const at = indexOf(rawHeaders, name);
  return at < 0 ? undefined : rawHeaders[at + 1];
}

/** The same, and nobody after us finds it there, however often it came: an application that copies headers does not pass it on. */
export function takeHeader(rawHeaders: string[], name: string): string | undefined {
  let value: string | undefined;
  for (let at = indexOf(rawHeaders, name); at >= 0; at = indexOf(rawHeaders, name)) {
    const [, found] = rawHeaders.splice(at, 2);
    value ??= found;
  }
  return value;
}

/**
 * The same from a request of HTTP/1, whose `headers` and `headersDistinct` are made of the list when they are first asked for.
 * Node.js keeps apart how much of the list it reads (`kHeadersCount` in lib/_http_incoming.js, since 15.1): what is taken is
 * taken from that too. On a version without it the header stays in the list.
 */
export function takeFrom(request: IncomingMessage, name: string): string | undefined {
  const value = rawHeader(request.rawHeaders, name);
  if (value === undefined) return undefined;
  const kept = request as unknown as Record<symbol, unknown>;
  const symbols = Object.getOwnPropertySymbols(request);
  const of = (description: string): symbol | undefined => symbols.find((symbol) => symbol.description === description);
  const count = of('kHeadersCount');
  if (count !== undefined && typeof kept[count] === 'number') {
    const before = request.rawHeaders.length;
    takeHeader(request.rawHeaders, name);
    kept[count] -= before - request.rawHeaders.length;
  }
  // Somebody else has asked for them before.
  for (const made of [of('kHeaders'), of('kHeadersDistinct')])
    if (made !== undefined) delete (kept[made] as Record<string, unknown> | null | undefined)?.[name];
  if (count === undefined) delete request.headers[name];
  return value;
}

function indexOf(rawHeaders: readonly string[], name: string): number {
  for (let n = 0; n < rawHeaders.length; n += 2)
    if (rawHeaders[n]?.length === name.length && rawHeaders[n]?.toLowerCase() === name) return n;
  return -1;
}
