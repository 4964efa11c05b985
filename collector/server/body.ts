import type { IncomingMessage } from 'node:http';
import { createUnzip } from 'node:zlib';
import { Refused } from './refused.ts';

/** Longest body, in bytes, both packed and unpacked: 1,000 consumers make about 2 MB. */
const LONGEST = 32 * 1_024 * 1_024;

/** Most bytes of all bodies in memory at a time. */
const MOST_HELD = 128 * 1_024 * 1_024;

/** Supported content codings (RFC 9110, section 8.4.1; in either case). */
const CODINGS = ['identity', 'gzip', 'x-gzip', 'deflate'];

/** Reads the bodies of requests. Bounds both forms while it reads, so that a small body cannot unpack to a huge one. */
export class BodyReader {
  #held = 0;

  /**
   * Reads a body and hands its bytes to `use`; they count as held until `use` has settled.
   *
   * @throws Refused 400, 413, 415 or 503
   */
  async read(request: IncomingMessage, use: (bytes: Buffer) => void | Promise<void>): Promise<void> {
    const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
    if (!CODINGS.includes(encoding))
      throw new Refused(415, `expected content-encoding gzip, deflate or none, received ${encoding.slice(0, 64)}`);
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > LONGEST) throw new Refused(413, `expected at most ${LONGEST} bytes, received ${announced}`);
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of unpacked(request, encoding)) {
        length += chunk.length;
        this.#held += chunk.length;
        if (length > LONGEST) throw new Refused(413, `expected at most ${LONGEST} bytes unpacked`);
        if (this.#held > MOST_HELD) throw new Refused(503, 'too many requests arrive at once; send this one again');
        chunks.push(chunk);
      }
      await use(Buffer.concat(chunks));
    } catch (thrown) {
      throw thrown instanceof Refused
        ? thrown
        : new Refused(400, `the body cannot be read: ${(thrown as Error).message}`);
    } finally {
      this.#held -= length;
    }
  }
}

/** Unpacks the body. Stopping early leaves the connection open, so that the reason can still be answered. */
function unpacked(request: IncomingMessage, encoding: string): AsyncIterable<Buffer> {
  if (encoding === 'identity') return request.iterator({ destroyOnReturn: false });
  const unzip = request.pipe(createUnzip());
  request.once('close', () => {
    if (!request.complete) unzip.destroy(new Error('the connection was cut'));
  });
  return unzip;
}
