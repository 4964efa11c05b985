import { isObject, type Json, parseJson } from '../../json.ts';

/** Longest message, in bytes: ten thousand instances of 3 kB. */
const LONGEST = 32 * 1_024 * 1_024;

/** Bytes before each message: compressed or not, and its length (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const PREFIX = 5;

/** A message of Nacos: the name of its Java class, and its fields. */
export interface Payload {
  readonly type: string;
  readonly body: Json;
}

/**
 * A message of Nacos' gRPC services (nacos_grpc_service.proto): `Payload { Metadata metadata = 2; google.protobuf.Any body = 3;
 * }`, `Metadata { string type = 3; map<string, string> headers = 7; }`, JSON as the `value` of the body.
 */
export function encodePayload({ type, body }: Payload, headers: Readonly<Record<string, string>> = {}): Buffer {
  const entries = Object.entries(headers).map(([name, value]) =>
    field(7, Buffer.concat([field(1, name), field(2, value)])),
  );
  const metadata = field(2, Buffer.concat([field(3, type), ...entries]));
  const message = Buffer.concat([metadata, field(3, field(2, JSON.stringify(body)))]);
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Splits a stream of bytes into messages. */
export class PayloadReader {
  #chunks: Buffer[] = [];
  #length = 0;

  /** @throws Error when a message is too long, compressed, or not one of Nacos */
  read(chunk: Buffer): readonly Payload[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const payloads: Payload[] = [];
    for (let message = this.#next(); message !== undefined; message = this.#next()) payloads.push(decode(message));
    return payloads;
  }

  #next(): Buffer | undefined {
    if (this.#length < PREFIX) return undefined;
    if ((this.#chunks[0] as Buffer).length < PREFIX) this.#chunks = [Buffer.concat(this.#chunks)];
    const first = this.#chunks[0] as Buffer;
    const length = first.readUInt32BE(1);
    if (first[0] !== 0) throw new Error('a message is compressed, which was not offered');
    if (length > LONGEST) throw new Error(`a message has more than ${LONGEST} bytes`);
    const end = PREFIX + length;
    if (this.#length < end) return undefined;
    const whole = this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    this.#chunks = [whole.subarray(end)];
    this.#length -= end;
    return whole.subarray(PREFIX, end);
  }
}

function decode(message: Buffer): Payload {
  const [metadata, any] = [bytesOf(message, 2), bytesOf(message, 3)];
  const type = bytesOf(metadata, 3).toString();
  const body = parseJson(bytesOf(any, 2).toString() || '{}', 'a message');
  if (type === '' || !isObject(body)) throw new Error('a message is not one of Nacos');
  return { type, body };
}

/** A field that is text or a message (Protocol Buffers encoding, wire type 2). */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left % 128) + 128);
  }
}

/** The bytes of the field with that number; empty when it is absent. Fields of other types are skipped. */
function bytesOf(message: Buffer, wanted: number): Buffer {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; shift < 50; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) break;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new Error('a message ends too early');
  };
  while (at < message.length) {
    const tag = number();
    const length = { 0: () => number() * 0, 1: () => 8, 2: number, 5: () => 4 }[tag % 8];
    if (length === undefined) throw new Error('a message has an unknown wire type');
    const bytes = length();
    if (at + bytes > message.length) throw new Error('a message ends too early');
    if (tag === wanted * 8 + 2) return message.subarray(at, at + bytes);
    at += bytes;
  }
  return Buffer.alloc(0);
}
