import type { ClientHttp2Session } from 'node:http2';
import { CONSUMER_HEADER } from '../../protocol/header.ts';

/**
 * Headers in the form of Node.js for nghttp2: one text of names, values and flags, and their number (lib/internal/http2/util.js).
 */
type HeaderList = readonly [text: string, count: number];

/** The handle of a session in Node.js (src/node_http2.cc). */
interface Handle {
  request(headers: unknown, ...more: unknown[]): unknown;
}

/** Name, value, and flags of one character. */
const HEADER = /([^\0]+)\0([^\0]*)\0([\s\S])/g;

/**
 * Adds the consumer header to requests that waited for the connection of their session. Node.js has already made a text of their
 * headers, and writes them in the turn in which the session emits `connect`; call this in that turn, before the event.
 *
 * @param value of the header; undefined: none
 */
export function headQueued(session: ClientHttp2Session, value: string | undefined): void {
  const handle = handleOf(session);
  if (handle === undefined) return;
  const { request } = handle;
  handle.request = (headers, ...more) =>
    request.call(handle, isList(headers) ? withHeader(headers, value) : headers, ...more);
  process.nextTick(() => Reflect.deleteProperty(handle, 'request'));
}

function withHeader([text, count]: HeaderList, value: string | undefined): HeaderList {
  let left = count;
  const kept = text.replace(HEADER, (header, name) => {
    if (name !== CONSUMER_HEADER) return header;
    left--;
    return '';
  });
  return value === undefined ? [kept, left] : [`${kept}${CONSUMER_HEADER}\0${value}\0\0`, left + 1];
}

function isList(headers: unknown): headers is HeaderList {
  return Array.isArray(headers) && typeof headers[0] === 'string' && typeof headers[1] === 'number';
}

function handleOf(session: object): Handle | undefined {
  const symbol = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'kHandle');
  const handle = symbol && (Reflect.get(session, symbol) as Partial<Handle> | undefined);
  return typeof handle?.request === 'function' ? (handle as Handle) : undefined;
}
