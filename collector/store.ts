import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { StoredSpan } from './otlp.ts';

/** What is searched for. Service, operation, duration and all tags must match on the same span, as in Jaeger. */
export interface TraceQuery {
  readonly service?: string;
  readonly operation?: string;
  /** Compared as text with attributes of the span and of its resource. */
  readonly tags: Readonly<Record<string, string>>;
  /** Microseconds since the Unix epoch. */
  readonly startMin?: number;
  readonly startMax?: number;
  /** Microseconds. */
  readonly durationMin?: number;
  readonly durationMax?: number;
  readonly limit: number;
}

export interface StoreOptions {
  /** File of the database, or `:memory:`. */
  readonly path: string;
  /** Traces older than this many milliseconds are removed. */
  readonly maxAgeMs: number;
  /** When the database is larger, in bytes, the oldest traces are removed. */
  readonly maxBytes: number;
}

/** Part of the traces that is removed at once when the store is too large: often enough to stay below the bound, seldom enough to be cheap. */
const SHARE_REMOVED = 0.1;

/** Inserted spans between two looks at age and size. */
const CHECK_EVERY = 5_000;

/** Spans in SQLite (`node:sqlite`), bounded by age and size. A span that arrives twice is kept once. */
export class Store {
  readonly #options: StoreOptions;
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  #unchecked = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#db = new DatabaseSync(options.path);
    this.#db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA auto_vacuum = INCREMENTAL;
      CREATE TABLE IF NOT EXISTS span (
        trace_id TEXT NOT NULL, span_id TEXT NOT NULL, service TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
        start INTEGER NOT NULL, duration INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (trace_id, span_id)
      ) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS span_by_service ON span (service, name, start);
      CREATE INDEX IF NOT EXISTS span_by_start ON span (start);
    `);
    this.#insert = this.#db.prepare('INSERT OR IGNORE INTO span VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
  }

  /** Keeps spans; they can be found when it returns. */
  add(spans: readonly StoredSpan[]): void {
    this.#db.exec('BEGIN');
    try {
      for (const span of spans)
        this.#insert.run(
          span.traceId,
          span.spanId,
          span.service,
          span.name,
          span.kind,
          span.start,
          span.duration,
          JSON.stringify(span),
        );
      this.#db.exec('COMMIT');
    } catch (thrown) {
      this.#db.exec('ROLLBACK');
      throw thrown;
    }
    this.#unchecked += spans.length;
    if (this.#unchecked >= CHECK_EVERY) this.bound();
  }

  services(): readonly string[] {
    return this.#column('SELECT DISTINCT service AS value FROM span ORDER BY service');
  }

  operations(service: string): readonly { readonly name: string; readonly kind: string }[] {
    return this.#db
      .prepare('SELECT DISTINCT name, kind FROM span WHERE service = ? ORDER BY name, kind')
      .all(service) as { name: string; kind: string }[];
  }

  /** All spans of a trace, by their start. */
  trace(traceId: string): readonly StoredSpan[] {
    return this.#column('SELECT body AS value FROM span WHERE trace_id = ? ORDER BY start, span_id', traceId).map(
      (body) => JSON.parse(body),
    );
  }

  /** Ids of the traces that match, the most recent first. */
  find(query: TraceQuery): readonly string[] {
    const { service, operation, startMin, startMax, durationMin, durationMax, tags, limit } = query;
    const bounds: readonly (readonly [string, SQLInputValue | undefined])[] = [
      ['service = ?', service],
      ['name = ?', operation],
      ['start >= ?', startMin],
      ['start <= ?', startMax],
      ['duration >= ?', durationMin],
      ['duration <= ?', durationMax],
    ];
    const given = bounds.filter(([, value]) => value !== undefined);
    const conditions = [...given.map(([condition]) => condition), ...Object.keys(tags).map(() => TAG_MATCHES)];
    const values = [...given.map(([, value]) => value as SQLInputValue), ...Object.entries(tags).flat()];
    const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';
    return this.#column(
      `SELECT trace_id AS value, MAX(start) AS latest FROM span ${where} GROUP BY trace_id ORDER BY latest DESC LIMIT ?`,
      ...values,
      limit,
    );
  }

  /** Removes what is too old or too much. */
  bound(now: number = Date.now()): void {
    this.#unchecked = 0;
    this.#db.prepare('DELETE FROM span WHERE start < ?').run((now - this.#options.maxAgeMs) * 1_000);
    while (this.#bytes() > this.#options.maxBytes && this.#removeOldest() > 0)
      this.#db.exec('PRAGMA incremental_vacuum');
  }

  close(): void {
    this.#db.close();
  }

  /** Pages in use; those that are free again do not count. */
  #bytes(): number {
    const pragma = (name: string): number =>
      Number(Object.values(this.#db.prepare(`PRAGMA ${name}`).get() ?? {})[0] ?? 0);
    return (pragma('page_count') - pragma('freelist_count')) * pragma('page_size');
  }

  #removeOldest(): number {
    const oldest = this.#db
      .prepare(
        'SELECT trace_id AS value FROM span GROUP BY trace_id ORDER BY MAX(start) LIMIT max(1, CAST((SELECT COUNT(DISTINCT trace_id) FROM span) * ? AS INTEGER))',
      )
      .all(SHARE_REMOVED) as { value: string }[];
    const remove = this.#db.prepare('DELETE FROM span WHERE trace_id = ?');
    this.#db.exec('BEGIN');
    for (const { value } of oldest) remove.run(value);
    this.#db.exec('COMMIT');
    return oldest.length;
  }

  #column(sql: string, ...values: SQLInputValue[]): string[] {
    return this.#db
      .prepare(sql)
      .all(...values)
      .map((row) => String(row['value']));
  }
}

/** SQLite's JSON has 1 and 0 for true and false; Jaeger compares with the words. */
const TAG_MATCHES = `EXISTS (
  SELECT 1 FROM (SELECT value FROM json_each(body, '$.tags') UNION ALL SELECT value FROM json_each(body, '$.resource')) AS tag WHERE json_extract(tag.value, '$.key') = ? AND
    CASE json_type(tag.value, '$.value') WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(json_extract(tag.value, '$.value') AS TEXT) END = ?
)`;
