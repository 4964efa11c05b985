/** Longest frame, in bytes: far more than the names of ten thousand instances. */
const LONGEST_FRAME = 32 * 1_024 * 1_024;

/** Writes a record in the encoding of ZooKeeper (jute): numbers are big-endian, text and bytes have their length before them. */
export class JuteWriter {
  readonly #parts: Buffer[] = [];

  int(value: number): this {
    return this.#add(int32(value));
  }

  long(value: bigint): this {
    const part = Buffer.alloc(8);
    part.writeBigInt64BE(value);
    return this.#add(part);
  }

  bool(value: boolean): this {
    return this.#add(Buffer.of(value ? 1 : 0));
  }

  bytes(value: Buffer): this {
    return this.int(value.length).#add(value);
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value));
  }

  /** Appends another record. */
  append(record: JuteWriter): this {
    this.#parts.push(...record.#parts);
    return this;
  }

  /** The record, its length before it. */
  frame(): Buffer {
    const record = Buffer.concat(this.#parts);
    return Buffer.concat([int32(record.length), record]);
  }

  #add(part: Buffer): this {
    this.#parts.push(part);
    return this;
  }
}

function int32(value: number): Buffer {
  const part = Buffer.alloc(4);
  part.writeInt32BE(value);
  return part;
}

/** Reads a record. Each method throws when the record ends too early. */
export class JuteReader {
  readonly #record: Buffer;
  #at = 0;

  constructor(record: Buffer) {
    this.#record = record;
  }

  int(): number {
    return this.#take(4).readInt32BE();
  }

  long(): bigint {
    return this.#take(8).readBigInt64BE();
  }

  /** A length of -1 stands for none. */
  bytes(): Buffer {
    const length = this.int();
    return this.#take(length === -1 ? 0 : length);
  }

  text(): string {
    return this.bytes().toString();
  }

  texts(): readonly string[] {
    const count = this.int();
    if (count > this.#left / 4) throw new Error('the answer is shorter than its length says');
    return Array.from({ length: Math.max(count, 0) }, () => this.text());
  }

  skip(length: number): this {
    this.#take(length);
    return this;
  }

  get #left(): number {
    return this.#record.length - this.#at;
  }

  #take(length: number): Buffer {
    if (length < 0 || length > this.#left) throw new Error('the answer is shorter than its length says');
    this.#at += length;
    return this.#record.subarray(this.#at - length, this.#at);
  }
}

/** Splits received bytes into frames. */
export class Frames {
  #chunks: Buffer[] = [];
  #length = 0;

  /**
   * @returns the records that are complete now, without their lengths
   * @throws Error when a frame is too long
   */
  push(chunk: Buffer): readonly Buffer[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const records: Buffer[] = [];
    while (this.#length >= 4) {
      const end = 4 + this.#next();
      if (end < 4 || end > LONGEST_FRAME) throw new Error(`a frame of ${end - 4} bytes`);
      if (this.#length < end) break;
      const all = this.#joined();
      records.push(all.subarray(4, end));
      this.#chunks = [all.subarray(end)];
      this.#length -= end;
    }
    return records;
  }

  /** Length of the next record. */
  #next(): number {
    const [first] = this.#chunks;
    return (first !== undefined && first.length >= 4 ? first : this.#joined()).readInt32BE();
  }

  /** A long frame comes in many chunks, which are joined once. */
  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }
}
