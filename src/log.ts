import type { Clock } from './lifecycle/clock.ts';
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

/** Writes log lines: JSON (pino) on standard error, loaded with the first line. Never throws. */
export type Log = (level: Level, message: string, fields?: Fields) => void;

/** Most lines kept while pino loads. */
const MOST_WAITING = 1_000;

/**
 * A log that loads pino with its first line; lines before that wait, in order. Standard output belongs to the
 * application, so lines go to standard error, written at once: a process about to end loses none.
 */
export function createLog(level: Level | 'silent', service: string): Log {
  if (level === 'silent') return () => {};
  let write: Log | undefined;
  let waiting: Parameters<Log>[] | undefined;
  const load = async (): Promise<void> => {
    const { pino } = await import('pino');
    const logger = pino(
      { name: 'lossless', level, base: { service, pid: process.pid } },
      pino.destination({ dest: 2, sync: true }),
    );
    write = (at, message, fields = {}) => logger[at](flat(fields), message);
    for (const line of waiting ?? []) write(...line);
    waiting = undefined;
  };
  return (...line) => {
    try {
      if (write !== undefined) return write(...line);
      if (waiting === undefined) {
        waiting = [];
        void load().catch(() => {});
      }
      if (waiting.length < MOST_WAITING) waiting.push(line);
    } catch {
      // A closed standard error must not end the service.
    }
  };
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
    const { level, message, fields } = lineOf(record);
    log(level, message, fields);
  };
}

function lineOf(record: LifecycleRecord): { level: Level; message: string; fields: Fields } {
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
