import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { spanName } from '../../src/trace/model/schema.ts';
import { Origins } from './origins.ts';
import type { Span, StoredSpan } from './otlp.ts';
import { IS_CLEAN, IS_UNTOLD, RESULT, ROOT_NAMES, ROOTS, rootsOf } from './roots.ts';
import type { RootCounts } from './shutdown-list.ts';

/** A search for shutdowns and onlines. Times are microseconds since the Unix epoch. */
export interface RootQuery {
  /** `offline` or `online`; any other value finds both. */
  readonly kind?: string | undefined;
  readonly service?: string | undefined;
  /** The result in the root; `missing` for traces without one. */
  readonly result?: string | undefined;
  /**
   * Text, in either case: a trace id, an instance, a pod. Searched in the root and the span of its beginning, in the resource of
   * every process of the trace, and in the spans of consumers that were not told.
   */
  readonly search?: string | undefined;
  /** Finds those that began before. */
  readonly before: number;
  /** Finds those that ended since, or have not ended. */
  readonly endedSince: number;
}

/** One trace that began with a span of `ROOT_NAMES`. Times are microseconds since the Unix epoch. */
export interface FoundRoot {
  readonly traceId: string;
  readonly start: number;
  /** The root; undefined while it has not arrived. */
  readonly root: Span | undefined;
  /** The root; before it has arrived, the span of its beginning. */
  readonly told: StoredSpan;
}

/** Most spans that are read for one list of shutdowns and onlines. */
const MOST_ROOTS = 20_000;

/** Most bytes of resources that are kept while a list is read. */
const ORIGIN_BYTES = 64 * 1_024 * 1_024;

/** A condition and its values. */
interface Condition {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

/** Shutdowns and onlines, the latest beginning first. */
export function* rootsIn(db: DatabaseSync, { result, endedSince, ...query }: RootQuery): Generator<FoundRoot> {
  const { sql, values } = conditionOf(query);
  const isRoot = `name IN (${ROOT_NAMES})`;
  const rows = db
    .prepare(
      `SELECT trace_id, MIN(start) AS start, MIN(id) AS told, MAX(CASE WHEN ${isRoot} THEN id END) AS root,
         MAX(CASE WHEN ${isRoot} THEN start + duration END) AS ended, MAX(CASE WHEN ${isRoot} THEN result END) AS result
       FROM (
         SELECT trace_id, name, start, duration, rowid AS id, ${RESULT} AS result FROM span INDEXED BY span_by_root
         WHERE ${sql} ORDER BY start DESC LIMIT ${MOST_ROOTS}
       )
       GROUP BY trace_id HAVING (ended IS NULL OR ended >= ?) ${result === undefined ? '' : 'AND ifnull(result, ?) = ?'}
       ORDER BY start DESC`,
    )
    .iterate(...values, endedSince, ...(result === undefined ? [] : ['missing', result]));
  const origins = new Origins(db, ORIGIN_BYTES);
  const select = db.prepare('SELECT body, origin FROM span WHERE rowid = ?');
  for (const { trace_id, start, root, told } of rows) {
    const row = select.get((root ?? told) as number);
    const span = JSON.parse(String(row?.['body'])) as Span;
    yield {
      traceId: String(trace_id),
      start: Number(start),
      root: root === null ? undefined : span,
      told: { ...span, origin: origins.get(Number(row?.['origin'])) },
    };
  }
}

/** Counts all that a query finds, whatever their results. */
export function countRoots(db: DatabaseSync, { endedSince, result: _, ...query }: RootQuery): RootCounts {
  const { sql, values } = conditionOf(query);
  // Not grouped, because SQLite would then read the bodies instead of the index.
  const rows = db
    .prepare(
      `SELECT name, ${RESULT} AS result, ${IS_CLEAN} AS clean FROM span INDEXED BY span_by_root
       WHERE ${sql} AND name IN (${ROOT_NAMES}) AND start + duration >= ?`,
    )
    .iterate(...values, endedSince);
  const counts = { starts: 0, shutdowns: 0, lossless: 0 };
  for (const { name, result, clean } of rows) {
    if (name === spanName('online')) counts.starts++;
    else if (result !== 'never_ready') {
      counts.shutdowns++;
      if (clean === 1 && (result === 'success' || result === 'cancelled')) counts.lossless++;
    }
  }
  return counts;
}

/** Names of the services that shut down or came online, without those that are too long for a choice. */
export function rootServicesIn(db: DatabaseSync): readonly string[] {
  return db
    .prepare(
      `SELECT DISTINCT service FROM span INDEXED BY span_by_root WHERE name IN (${ROOTS}) AND length(service) <= 200 ORDER BY service LIMIT 1000`,
    )
    .all()
    .map((row) => String(row['service']));
}

/** The beginnings of shutdowns without an end, the latest first. */
export function openMarkersIn(db: DatabaseSync, most: number): readonly Span[] {
  return db
    .prepare(
      `SELECT body FROM span AS marker INDEXED BY span_by_root WHERE name IN (${ROOTS}) AND name = ? AND NOT EXISTS (
         SELECT 1 FROM span WHERE trace_id = marker.trace_id AND name = ?
       ) ORDER BY start DESC LIMIT ?`,
    )
    .all(spanName('offline.started'), spanName('offline'), most)
    .map(({ body }) => JSON.parse(String(body)) as Span);
}

function conditionOf({ kind, service, search, before }: Omit<RootQuery, 'result' | 'endedSince'>): Condition {
  const conditions: readonly Condition[] = [
    { sql: `name IN (${ROOTS})`, values: [] },
    { sql: `name IN (${rootsOf(kind)})`, values: [] },
    { sql: 'start < ?', values: [before] },
    ...(service === undefined ? [] : [{ sql: 'service = ?', values: [service] }]),
    ...(search === undefined ? [] : [searchCondition(search.toLowerCase())]),
  ];
  return {
    sql: conditions.map(({ sql }) => sql).join(' AND '),
    values: conditions.flatMap(({ values }) => values),
  };
}

/**
 * The root, the span of its beginning, the resource of a process of the trace, or the span of a consumer that was not told holds
 * the text. All other spans stay unread: there may be millions.
 */
function searchCondition(text: string): Condition {
  // The text as JSON contains it.
  const written = JSON.stringify(text).slice(1, -1);
  return {
    sql: `trace_id IN (
      SELECT trace_id FROM span INDEXED BY span_by_root WHERE name IN (${ROOTS}) AND instr(lower(body), ?) > 0
      UNION SELECT trace_id FROM span INDEXED BY span_by_untold WHERE ${IS_UNTOLD} AND instr(lower(body), ?) > 0
      UNION SELECT trace_id FROM span INDEXED BY span_by_origin
        WHERE origin IN (SELECT id FROM origin WHERE instr(lower(body), ?) > 0)
    )`,
    values: [written, written, written],
  };
}
