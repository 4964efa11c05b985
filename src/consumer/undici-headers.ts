import { CONSUMER_HEADER } from '../protocol/header.ts';

/** Headers as undici takes them: flat list, object, pairs, or none. */
export type UndiciHeaders =
  | readonly string[]
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | Iterable<readonly [string, string | readonly string[] | undefined]>
  | null
  | undefined;

/**
 * The application's headers with the logical `host` and the consumer header, unless it set them itself. A copy: the
 * application may use its own again.
 */
export function withHeaders(
  headers: UndiciHeaders,
  host: string,
  consumer: string | undefined,
): string[] | Record<string, unknown> {
  if (headers === undefined || headers === null)
    return consumer === undefined ? { host } : { host, [CONSUMER_HEADER]: consumer };
  if (Array.isArray(headers)) return flatWithHeaders([...(headers as readonly string[])], host, consumer);
  if (isIterable(headers)) return flatWithHeaders([...headers].flat(1) as string[], host, consumer);
  const copy: Record<string, unknown> = { ...headers };
  let hasHost = false;
  let hasConsumer = false;
  for (const name in copy) {
    if (name.length === HOST.length && name.toLowerCase() === HOST) hasHost = true;
    else if (name.length === CONSUMER_HEADER.length && name.toLowerCase() === CONSUMER_HEADER) hasConsumer = true;
  }
  if (!hasHost) copy[HOST] = host;
  if (!hasConsumer && consumer !== undefined) copy[CONSUMER_HEADER] = consumer;
  return copy;
}

const HOST = 'host';

function flatWithHeaders(flat: string[], host: string, consumer: string | undefined): string[] {
  const has = (name: string): boolean =>
    flat.some((entry, index) => index % 2 === 0 && String(entry).toLowerCase() === name);
  if (!has(HOST)) flat.push(HOST, host);
  if (consumer !== undefined && !has(CONSUMER_HEADER)) flat.push(CONSUMER_HEADER, consumer);
  return flat;
}

function isIterable(headers: object): headers is Iterable<readonly [string, string | readonly string[] | undefined]> {
  return typeof (headers as { [Symbol.iterator]?: unknown })[Symbol.iterator] === 'function';
}
