import { CONSUMER_HEADER } from '../../protocol/header.ts';

/** Headers in the forms of undici: flat list, object, pairs, or none. */
export type UndiciHeaders =
  | readonly string[]
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [string, string | readonly string[] | undefined]>
  | null
  | undefined;

/**
 * The application's headers with the logical `host`, unless it set that itself, and the consumer header of this process, which
 * replaces a copied one. Returns a copy, because the application may use its own again.
 */
export function withHeaders(
  headers: UndiciHeaders,
  host: string,
  consumer: string | undefined,
): string[] | Record<string, unknown> {
  if (headers === undefined || headers === null)
    return consumer === undefined ? { host } : { host, [CONSUMER_HEADER]: consumer };
  if (Array.isArray(headers)) return flatWithHeaders(headers as readonly string[], host, consumer);
  if (isIterable(headers)) return flatWithHeaders([...headers].flat(1) as string[], host, consumer);
  const copy: Record<string, unknown> = { ...headers };
  let hasHost = false;
  for (const name in copy) {
    if (is(name, HOST)) hasHost = true;
    else if (is(name, CONSUMER_HEADER)) delete copy[name];
  }
  if (!hasHost) copy[HOST] = host;
  if (consumer !== undefined) copy[CONSUMER_HEADER] = consumer;
  return copy;
}

const HOST = 'host';

function flatWithHeaders(given: readonly string[], host: string, consumer: string | undefined): string[] {
  const flat: string[] = [];
  let hasHost = false;
  for (let n = 0; n < given.length; n += 2) {
    const name = String(given[n]);
    if (is(name, HOST)) hasHost = true;
    // Leaves a malformed pair: undici reports it.
    if (!is(name, CONSUMER_HEADER)) flat.push(...given.slice(n, n + 2));
  }
  if (!hasHost) flat.push(HOST, host);
  if (consumer !== undefined) flat.push(CONSUMER_HEADER, consumer);
  return flat;
}

/** Compares the lengths of names first, because nearly all differ. */
function is(name: string, lower: string): boolean {
  return name.length === lower.length && name.toLowerCase() === lower;
}

function isIterable(headers: object): headers is Iterable<readonly [string, string | readonly string[] | undefined]> {
  return typeof (headers as { [Symbol.iterator]?: unknown })[Symbol.iterator] === 'function';
}
