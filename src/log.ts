import { writeSync } from 'node:fs';
import { type Clock, sleepSync, systemClock } from './lifecycle/clock.ts';
import type { Sink } from './lifecycle/journal.ts';
import type { LifecycleRecord, SpanIds, WorkRecord } from './lifecycle/records.ts';
import { refusal } from './lifecycle/refusal.ts';

/** How severe a line is. */
export type Level = 'debug' | 'info' | 'warn' | 'error';

/** Fields of a line beside its text. Never a secret. */
export interface Fields {
  readonly code?: string;
  /** Becomes `trace_id`, `span_id` and `trace_flags`. */
  readonly ids?: SpanIds;
  readonly [name: string]: unknown;
}

/** Writes log lines: JSON on standard error. Never throws. */
export type Log = (level: Level, message: string, fields?: Fields) => void;

/** Levels as pino and bunyan number them, which log processors know. */
const NUMBERS = { debug: 20, info: 30, warn: 40, error: 50 } as const satisfies Record<Level, number>;

const STANDARD_ERROR = 2;

/** How often a line is tried again, a millisecond apart, while nobody reads what standard error holds. */
const TRIES = 10;

/**
 * A log whose lines are written at once: a process about to end loses none. Standard output belongs to the application. pino would do
 * the same, and costs a start 15 ms.
 */
export function createLog(level: Level | 'silent', service: string): Log {
  if (level === 'silent') return () => {};
  const base = { service, pid: process.pid, name: 'lossless' };
  const lowest = NUMBERS[level];
  /** Lines that were lost because nobody reads them. */
  let lost = 0;
  return (at, message, fields = {}) => {
    if (NUMBERS[at] < lowest) return;
    const head = { level: NUMBERS[at], time: systemClock.wall(), ...base };
    const line = lineOf(head, { ...flat(fields), ...(lost > 0 && { lost }) }, message);
    lost = write(line, lost > 0 ? 1 : TRIES) ? 0 : lost + 1;
  };
}

function lineOf(head: object, fields: object, msg: string): Buffer {
  const of = (more: object): Buffer => Buffer.from(`${JSON.stringify({ ...head, ...more, msg })}\n`);
  try {
    return of(fields);
  } catch {
    // A field that JSON has no word for.
    return of({});
  }
}

/** @returns false when it was not written to its end: standard error is closed, or full */
function write(bytes: Buffer, tries: number): boolean {
  let rest = bytes;
  for (let left = tries; left > 0; left--)
    try {
      rest = rest.subarray(writeSync(STANDARD_ERROR, rest));
      if (rest.length === 0) return true;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EAGAIN') return false;
      if (left > 1) sleepSync(1);
    }
  return false;
}

/** Most causes that `Seldom` distinguishes. */
const MOST_CAUSES = 100;

/** How long a cause is not repeated, in milliseconds. */
const SELDOM_MS = 60_000;

/** A log for events that strangers can cause without limit: one line a minute for each cause. */
export class Seldom {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #saidAt = new Map<string, number>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  say(cause: string, ...line: Parameters<Log>): void {
    const now = this.#clock.now();
    const saidAt = this.#saidAt.get(cause);
    if (saidAt === undefined ? this.#saidAt.size >= MOST_CAUSES : now - saidAt < SELDOM_MS) return;
    this.#saidAt.set(cause, now);
    this.#log(...line);
  }
}

/** Ids as log processors and trace views expect them (OpenTelemetry, Trace Context in non-OTLP Log Formats). */
function flat({ ids, ...fields }: Fields): Record<string, unknown> {
  return ids === undefined ? fields : { ...fields, trace_id: ids.traceId, span_id: ids.spanId, trace_flags: '01' };
}

/** Log lines derived from records: every move, every refused trigger, every failed and every finished piece of work. */
export function logRecords(log: Log): Sink {
  return (record) => {
    const { level, message, fields } = saying(record);
    log(level, message, fields);
  };
}

function saying(record: LifecycleRecord): { level: Level; message: string; fields: Fields } {
  switch (record.kind) {
    case 'transition':
      return {
        level: 'info',
        message: `${record.from} -> ${record.to} (${record.trigger})`,
        fields: withIds(record.ids),
      };
    case 'refused':
      return {
        level: 'warn',
        message: refusal(record.trigger, record.from).message,
        fields: withIds(record.ids),
      };
    case 'started':
      return { level: 'debug', message: `${record.work} started`, fields: fieldsOf(record) };
    case 'ended': {
      const { failure, work } = record;
      const fields = { ...fieldsOf(record), ...(failure && { errorType: failure.type }) };
      if (failure) return { level: 'warn', message: `${work} failed: ${failure.message}`, fields };
      return { level: work === 'goaway' ? 'debug' : 'info', message: `${work} ended`, fields };
    }
  }
}

function fieldsOf({ ids, work, facts }: WorkRecord): Fields {
  return { ids, work, ...facts };
}

function withIds(ids: SpanIds | undefined): Fields {
  return ids === undefined ? {} : { ids };
}
