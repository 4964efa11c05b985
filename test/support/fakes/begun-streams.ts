/** Length of the preface that every client of HTTP/2 sends first (RFC 9113, section 3.4). */
const PREFACE_BYTES = 24;

/** Length of the head of a frame: its length in three bytes, its type and more. */
const HEAD_BYTES = 9;

/** The type of a frame that begins a stream, when a client sends it and has no trailers. */
const HEADERS = 1;

/** Counts the streams that clients of HTTP/2 have begun on the wire. Calls that a client still holds back do not count. */
export class BegunStreams {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Returns a function that takes the bytes of one client, in any pieces. */
  connection(): (chunk: Buffer) => void {
    let rest = Buffer.alloc(0);
    let skip = PREFACE_BYTES;
    return (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        if (rest.length < skip + HEAD_BYTES) return;
        rest = rest.subarray(skip);
        if (rest.readUInt8(3) === HEADERS) this.#count++;
        skip = HEAD_BYTES + rest.readUIntBE(0, 3);
      }
    };
  }
}
