import { isObject, type Json } from '../../json.ts';
import { type Field, MESSAGES } from './otlp-messages.ts';

/** Wire type of each scalar (Protobuf encoding, message structure). */
const WIRE: Readonly<Record<string, number>> = {
  bool: 0,
  varint: 0,
  fixed64: 1,
  sfixed64: 1,
  double: 1,
  string: 2,
  hex: 2,
  base64: 2,
  fixed32: 5,
};
const LENGTH_DELIMITED = 2;

/** Deepest nesting of messages, the bound of other readers of Protobuf. */
const DEEPEST = 100;

/** Bytes that are no message. */
export class NoProtobuf extends Error {}

/** A message with more values than its reader takes. */
export class TooManyValues extends Error {}

/** A field as it is written. */
interface Written {
  /** Its number, and how it lies on the wire. */
  readonly tag: number;
  readonly holds: string;
  readonly isScalar: boolean;
  readonly isRepeated: boolean;
}

/** The fields of each message by their names in JSON. */
const WRITTEN = new Map(
  Object.entries(MESSAGES).map(([message, fields]) => [
    message,
    new Map(Object.entries(fields).map(([name, field]) => [name, written(field)])),
  ]),
);

function written([number, holds, repeated]: Field): Written {
  const wire = WIRE[holds] ?? LENGTH_DELIMITED;
  return { tag: number * 8 + wire, holds, isScalar: holds in WIRE, isRepeated: repeated !== undefined };
}

/** Longest text that is written character by character, which is faster than a call while it is short. */
const SHORT = 64;

const BY_NUMBER = new Map(
  Object.entries(MESSAGES).map(([name, fields]) => [
    name,
    new Map(Object.entries(fields).map(([field, [number, ...held]]) => [number, [field, ...held] as const])),
  ]),
);

/**
 * A message of OTLP in Protobuf.
 *
 * @param message its name in `MESSAGES`
 * @param value in its JSON form; fields that the table does not name are left out
 * @throws Error when a field has the wrong type
 */
export function encode(message: string, value: Json): Buffer {
  const writer = new Writer();
  writer.message(message, value);
  return writer.bytes;
}

/**
 * The message in its JSON form: times, and whole numbers that a number of JavaScript cannot hold, are text.
 *
 * @param most largest number of values that are read
 * @throws NoProtobuf, TooManyValues
 */
export function decode(message: string, bytes: Buffer, most: number): Json {
  return new Reader(bytes, most).message(message, bytes.length, 0);
}

/** Writes from the end to the beginning, so it knows each length before it writes it. */
class Writer {
  #buffer = Buffer.allocUnsafe(4_096);
  #at = this.#buffer.length;
  #length = 0;

  get bytes(): Buffer {
    return this.#buffer.subarray(this.#at);
  }

  message(message: string, value: Json): void {
    const fields = WRITTEN.get(message);
    // Most messages have few of their fields.
    for (const name of Object.keys(value)) {
      const field = fields?.get(name);
      const held = value[name];
      if (field === undefined || held === undefined || held === null) continue;
      if (!field.isRepeated) this.#field(field, held);
      else {
        if (!Array.isArray(held)) throw new Error(`${name} is not a list`);
        for (let at = held.length - 1; at >= 0; at--) this.#field(field, held[at]);
      }
    }
  }

  #field({ tag, holds, isScalar }: Written, value: unknown): void {
    const before = this.#length;
    if (isScalar) this.#scalar(holds, value);
    else if (isObject(value)) this.message(holds, value);
    else throw new Error(`${holds} is not an object`);
    if (tag % 8 === LENGTH_DELIMITED) this.#varint(this.#length - before);
    this.#varint(tag);
  }

  #scalar(holds: string, value: unknown): void {
    if (holds === 'string' || holds === 'hex' || holds === 'base64') {
      if (typeof value !== 'string') throw new Error(`expected ${holds} as text`);
      if (holds !== 'string' || !this.#short(value)) this.#text(value, holds === 'string' ? 'utf8' : holds);
    } else if (holds === 'varint') this.#varint(value);
    else if (holds === 'bool') this.#varint(value === true ? 1 : 0);
    else if (holds === 'fixed32') {
      this.#move(4);
      this.#buffer.writeUInt32LE(Number(value) >>> 0, this.#at);
    } else {
      this.#move(8);
      if (holds === 'double') this.#buffer.writeDoubleLE(Number(value), this.#at);
      else this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value as string)), this.#at);
    }
  }

  #text(value: string, encoding: BufferEncoding): void {
    const length = Buffer.byteLength(value, encoding);
    this.#move(length);
    this.#buffer.write(value, this.#at, length, encoding);
  }

  /** @returns false, with nothing written, unless the text is short and has one byte for each character */
  #short(value: string): boolean {
    const { length } = value;
    if (length > SHORT) return false;
    this.#move(length);
    const buffer = this.#buffer;
    const first = this.#at;
    for (let at = 0; at < length; at++) {
      const code = value.charCodeAt(at);
      if (code < 0x80) buffer[first + at] = code;
      else {
        this.#move(-length);
        return false;
      }
    }
    return true;
  }

  /** A whole number, seven bits a byte; a negative one has ten bytes. */
  #varint(value: unknown): void {
    if (typeof value === 'number' && value >= 0 && value < 2 ** 31) {
      const length = value < 0x80 ? 1 : Math.ceil((32 - Math.clz32(value)) / 7);
      this.#move(length);
      for (let byte = 0; byte < length; byte++)
        this.#buffer[this.#at + byte] = ((value >>> (7 * byte)) & 0x7f) | (byte < length - 1 ? 0x80 : 0);
    } else {
      const bytes: number[] = [];
      let rest = BigInt.asUintN(64, BigInt(value as string));
      for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
      bytes.push(Number(rest));
      this.#move(bytes.length);
      this.#buffer.set(bytes, this.#at);
    }
  }

  /** Makes room for `length` bytes before what is written, in a larger buffer if need be. */
  #move(length: number): void {
    if (length > this.#at) {
      const written = this.bytes;
      this.#buffer = Buffer.allocUnsafe(2 * this.#buffer.length + length);
      this.#at = this.#buffer.length - written.length;
      written.copy(this.#buffer, this.#at);
    }
    this.#at -= length;
    this.#length += length;
  }
}

/** Reads from the beginning to the end and, whatever a length says, never outside the enclosing message. */
class Reader {
  readonly #bytes: Buffer;
  readonly #most: number;
  #values = 0;
  #at = 0;

  constructor(bytes: Buffer, most: number) {
    this.#bytes = bytes;
    this.#most = most;
  }

  message(message: string, end: number, depth: number): Json {
    if (depth > DEEPEST) throw new NoProtobuf(`messages inside each other, more than ${DEEPEST} deep`);
    const fields = BY_NUMBER.get(message);
    const value: Record<string, unknown> = {};
    while (this.#at < end) {
      const tag = Number(this.#varint(end));
      const wire = tag % 8;
      const [name, holds, repeated] = fields?.get(Math.floor(tag / 8)) ?? [];
      if (name === undefined || holds === undefined || (WIRE[holds] ?? LENGTH_DELIMITED) !== wire) {
        this.#skip(wire, end);
        continue;
      }
      if (++this.#values > this.#most) throw new TooManyValues(`expected at most ${this.#most} values in one request`);
      const held = this.#field(holds, end, depth);
      if (repeated === undefined) value[name] = held;
      else {
        const list = value[name];
        if (Array.isArray(list)) list.push(held);
        else value[name] = [held];
      }
    }
    return value;
  }

  #field(holds: string, end: number, depth: number): unknown {
    if (WIRE[holds] === undefined) return this.message(holds, this.#end(end), depth + 1);
    if (holds === 'string' || holds === 'hex' || holds === 'base64') {
      const last = this.#end(end);
      const from = this.#take(last - this.#at, end);
      return this.#bytes.toString(holds === 'string' ? 'utf8' : holds, from, last);
    }
    if (holds === 'bool') return Number(this.#varint(end)) !== 0;
    if (holds === 'varint') return plain(BigInt.asIntN(64, BigInt(this.#varint(end))));
    if (holds === 'double') {
      const number = this.#bytes.readDoubleLE(this.#take(8, end));
      return Number.isFinite(number) ? number : String(number);
    }
    if (holds === 'fixed32') return this.#bytes.readUInt32LE(this.#take(4, end));
    const number = this.#bytes.readBigUInt64LE(this.#take(8, end));
    return String(holds === 'sfixed64' ? BigInt.asIntN(64, number) : number);
  }

  #skip(wire: number, end: number): void {
    if (wire === 0) this.#varint(end);
    else if (wire === 1) this.#take(8, end);
    else if (wire === 5) this.#take(4, end);
    else if (wire === LENGTH_DELIMITED) this.#take(this.#end(end) - this.#at, end);
    else throw new NoProtobuf(`a field of the unknown type ${wire}`);
  }

  /** Reads a length; returns where the content behind it ends. */
  #end(within: number): number {
    const length = Number(this.#varint(within));
    if (length > within - this.#at) throw new NoProtobuf('a field is longer than what it is in');
    return this.#at + length;
  }

  /** Where the next `length` bytes begin. */
  #take(length: number, end: number): number {
    if (length > end - this.#at) throw new NoProtobuf('it ends within a field');
    const from = this.#at;
    this.#at += length;
    return from;
  }

  /** At most ten bytes; a number for up to four of them, else a bigint. */
  #varint(end: number): number | bigint {
    let small = 0;
    let large = 0n;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#take(1, end)] ?? 0;
      if (shift < 28) small |= (byte & 0x7f) << shift;
      else large |= BigInt(byte & 0x7f) << BigInt(shift);
      if (byte < 0x80) return shift < 28 ? small : large | BigInt(small);
    }
    throw new NoProtobuf('a number has more than ten bytes');
  }
}

/** A number of JavaScript when it is exact, else text. */
function plain(number: bigint): number | string {
  return number >= Number.MIN_SAFE_INTEGER && number <= Number.MAX_SAFE_INTEGER ? Number(number) : String(number);
}
