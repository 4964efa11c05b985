import { connect, type Socket } from 'node:net';

/** Types of frames (RFC 9113, section 6), and the flag that ends a stream or acknowledges a frame. */
const DATA = 0;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const FLAG = 1;

const HEAD_BYTES = 9;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Removes the limits of streams and of the connection (SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_UPDATE), so that only TCP holds the server back. */
const NO_LIMIT = Buffer.from('00000604000000000000047fffffff' + '000004080000000000' + '7fff0000', 'hex');

/** A client of HTTP/2 that requests one path and reads when told to. It sends the acknowledgements that HTTP/2 requires. */
export class Http2Client {
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of the body so far. */
  bytes = 0;
  hasEnded = false;
  /** Last stream ids in received GOAWAY frames. */
  readonly goaways: number[] = [];
  /** Why the answer is incomplete. */
  error: string | undefined;
  readonly closed: Promise<void>;

  constructor(port: number, path: string) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('error', ({ message }) => {
      if (!this.hasEnded) this.error ??= message;
    });
    this.closed = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    const headers = Buffer.concat([Buffer.from('828644', 'hex'), text(path), Buffer.from('41', 'hex'), text('x')]);
    this.#socket.write(Buffer.concat([PREFACE, NO_LIMIT, frame(1, 5, 1, headers)]));
  }

  read(): void {
    this.#socket.on('data', (chunk) => this.#take(chunk));
  }

  #take(chunk: Buffer): void {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (rest.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + rest.readUIntBE(0, 3);
      if (rest.length < end) break;
      this.#frame(rest.readUInt8(3), rest.readUInt8(4), rest.subarray(HEAD_BYTES, end));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
  }

  #frame(type: number, flags: number, payload: Buffer): void {
    const isFlagged = (flags & FLAG) !== 0;
    if (type === DATA) {
      this.bytes += payload.length;
      this.hasEnded ||= isFlagged;
    } else if (type === GOAWAY) {
      this.goaways.push(payload.readUInt32BE(0));
      if (payload.readUInt32BE(4) !== 0) this.error ??= `GOAWAY with code ${payload.readUInt32BE(4)}`;
    } else if (type === RST_STREAM) this.error ??= `RST_STREAM with code ${payload.readUInt32BE(0)}`;
    else if (type === PING && !isFlagged) this.#socket.write(frame(PING, FLAG, 0, payload));
    else if (type === SETTINGS && !isFlagged) this.#socket.write(frame(SETTINGS, FLAG, 0, Buffer.alloc(0)));
    else if (type > 9) this.error ??= `a frame of type ${type}`;
  }
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A string of HPACK (RFC 7541), not compressed. */
function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
}
