import type { SpanIds } from './lifecycle/records.ts';

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
