import type { ClientHttp2Session } from 'node:http2';
import { CONSUMER_HEADER } from '../../protocol/header.ts';

/** Headers as Node.js hands them to nghttp2: one text of names, values and flags, and how many there are (lib/internal/http2/util.js). */
type HeaderList = readonly [text: string, count: number];

/** What a session has of its own in Node.js, from the moment at which its connection stands (src/node_http2.cc). */
interface Handle {
  request(headers: unknown, options: unknown, parent: unknown, weight: unknown, exclusive: unknown): unknown;
}

/** Name, value, and flags of one character. */
const HEADER = /([^\0]+)\0([^\0]*)\0([\s\S])/g;

/**
 * Gives the consumer header to each request of a session as it goes out. That is cheaper than a copy of the headers that the
 * application gives, and reaches those that waited for the connection too: Node.js made a text of their headers long before.
 *
 * @param value of the header; undefined: there is none
 * @returns false while there is no connection
 */
export function headRequests(session: ClientHttp2Session, value: () => string | undefined): boolean {
  const handle = handleOf(session);
  if (handle === undefined) return false;
  const { request } = handle;
  let ours = { value: '', text: '' };
  const withHeader = (list: HeaderList): HeaderList => {
    const now = value();
    if (now === undefined) return withoutHeader(list);
    if (now !== ours.value) ours = { value: now, text: `${CONSUMER_HEADER}\0${now}\0\0` };
    const [text, count] = list;
    // Looked for in the whole, which Node.js writes next: a text of parts is put together only once.
    const whole = text + ours.text;
    if (whole.indexOf(CONSUMER_HEADER) === text.length) return [whole, count + 1];
    const [kept, left] = withoutHeader(list);
    return [kept + ours.text, left + 1];
  };
  // One by one: a call with a list of arguments costs more than the header does.
  handle.request = (headers, options, parent, weight, exclusive) =>
    request.call(handle, isList(headers) ? withHeader(headers) : headers, options, parent, weight, exclusive);
  return true;
}

/** The headers without what the application has copied of another process. */
function withoutHeader([text, count]: HeaderList): HeaderList {
  let left = count;
  const kept = text.replace(HEADER, (header, name) => {
    if (name !== CONSUMER_HEADER) return header;
    left--;
    return '';
  });
  return [kept, left];
}

function isList(headers: unknown): headers is HeaderList {
  return Array.isArray(headers) && typeof headers[0] === 'string' && typeof headers[1] === 'number';
}

function handleOf(session: object): Handle | undefined {
  const symbol = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'kHandle');
  const handle = symbol && (Reflect.get(session, symbol) as Partial<Handle> | undefined);
  return typeof handle?.request === 'function' ? (handle as Handle) : undefined;
}
