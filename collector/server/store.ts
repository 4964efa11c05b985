import { hash } from 'node:crypto';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { KILLED } from '../../src/lifecycle/outcomes.ts';
import { ATTR, spanName } from '../../src/trace/model/schema.ts';
import { type Attribute, textOf } from './attributes.ts';
import { type DatabaseOptions, isDamage, openDatabase, setAside, together } from './database.ts';
import { Origins } from './origins.ts';
import { KINDS, type Origin, type Span, type SpanGroup, STATUS, type StoredSpan, timesOf } from './otlp.ts';
import { countRoots, type FoundRoot, openMarkersIn, type RootQuery, rootServicesIn, rootsIn } from './root-queries.ts';
import { written } from './roots.ts';
import type { RootCounts } from './shutdown-list.ts';

/** A search. Service, operation, duration and all tags must match on the same span, as in Jaeger. */
export interface TraceQuery {
  readonly service?: string | undefined;
  readonly operation?: string | undefined;
  /** Compared as text with attributes of the span, its events, its scope and its resource. `error` is the status: true for ERROR, false for OK. */
  readonly tags: Readonly<Record<string, string>>;
  /** Microseconds since the Unix epoch. */
  readonly startMin: number;
  readonly startMax: number;
  /** Microseconds. */
  readonly durationMin?: number | undefined;
  readonly durationMax?: number | undefined;
  readonly limit: number;
}

export interface StoreOptions extends DatabaseOptions {
  /** File of the database, or `:memory:`. */
  readonly path: string;
  /** Traces whose last span arrived longer ago than this many milliseconds are removed. */
  readonly maxAgeMs: number;
  /** When the database is larger, in bytes, the traces that arrived first are removed. Between two checks it may grow by half a percent. */
  readonly maxBytes: number;
}

/** The result `killed` in the body of a root. */
const SAID_KILLED = written({ key: ATTR.offlineResult, value: { stringValue: KILLED } });

/** Part of the traces that is removed at once when the store is too large: large enough that removals stay seldom. */
const SHARE_REMOVED = 0.1;

/** Part of the bound by which the store may grow between two checks of its size. */
const SHARE_UNSEEN = 0.005;

/** Interval of checks of the age, in milliseconds. */
const AGE_EVERY_MS = 1_000;

/** Old traces that are removed at once, and the longest time for that in one check, in milliseconds: spans and readers wait meanwhile. */
const TRACES_REMOVED = 10;
const REMOVING_MS = 100;

/** Most bytes of stored spans that one answer is made from. */
const ANSWER_BYTES = 64 * 1_024 * 1_024;

/** Statements for arriving spans. */
interface Statements {
  readonly findOrigin: StatementSync;
  readonly addOrigin: StatementSync;
  readonly addTrace: StatementSync;
  readonly addSpan: StatementSync;
  readonly replaceKilled: StatementSync;
  readonly size: StatementSync;
}

function prepare(db: DatabaseSync): Statements {
  return {
    findOrigin: db.prepare('SELECT id FROM origin WHERE hash = ?'),
    addOrigin: db.prepare('INSERT INTO origin (hash, body) VALUES (?, ?) RETURNING id'),
    // Not updated for every span, because ages are checked as seldom.
    addTrace: db.prepare(
      `INSERT INTO trace VALUES (?, ?)
       ON CONFLICT DO UPDATE SET received = excluded.received WHERE abs(excluded.received - received) >= ${AGE_EVERY_MS}`,
    ),
    addSpan: db.prepare('INSERT OR IGNORE INTO span VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    // Pages in use, without those that are free again.
    size: db.prepare(
      `SELECT (page_count - freelist_count) * page_size AS bytes
       FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
    ),
    // Becomes the latest row, so that the version of its trace changes.
    replaceKilled: db.prepare(
      `UPDATE span SET rowid = (SELECT MAX(rowid) + 1 FROM span), origin = ?, service = ?, name = ?, kind = ?, start = ?,
         duration = ?, body = ? WHERE trace_id = ? AND span_id = ? AND name = '${spanName('offline')}' AND instr(body, ?) > 0`,
    ),
  };
}

/** Spans in SQLite, bounded by age and size. A span that arrives twice is stored once; a late one joins its trace. */
export class Store {
  readonly #options: StoreOptions;
  #db: DatabaseSync;
  #statements: Statements;
  #agedAt = Number.NEGATIVE_INFINITY;
  /** Characters of spans that were added since the last check of the size. */
  #grown = 0;
  #changes = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#db = openDatabase(options.path, options);
    this.#statements = prepare(this.#db);
    try {
      this.bound();
    } catch (thrown) {
      if (!this.recover(thrown)) throw thrown;
    }
  }

  /**
   * Begins a new database when an error shows that this one is damaged.
   *
   * @returns whether it has; then the failed work may be tried again
   */
  recover(thrown: unknown): boolean {
    if (!isDamage(thrown)) return false;
    const { onDamage, path } = this.#options;
    if (this.#db.isOpen) this.#db.close();
    onDamage?.(setAside(path, thrown as Error));
    this.#db = openDatabase(path, this.#options);
    this.#statements = prepare(this.#db);
    this.#changes++;
    return true;
  }

  /**
   * Stores spans and returns those that are new; they can be found when it returns. Stores all or, when it throws, none. A process's
   * own root replaces one that others made when they took it for killed.
   */
  add(groups: readonly SpanGroup[], now: number = Date.now()): readonly SpanGroup[] {
    // Checked first, because it may throw, and spans that have been added must not be refused.
    const isLookDue = this.#grown >= this.#options.maxBytes * SHARE_UNSEEN || now - this.#agedAt >= AGE_EVERY_MS;
    if (isLookDue) this.bound(now);
    const added: SpanGroup[] = [];
    together(this.#db, () => {
      for (const { origin, spans } of groups) added.push({ origin, spans: this.#addGroup(origin, spans) });
      const ids = new Set(groups.flatMap(({ spans }) => spans.map((span) => span.traceId)));
      for (const id of ids) this.#statements.addTrace.run(id, now);
    });
    if (added.some(({ spans }) => spans.length > 0)) this.#changes++;
    return added;
  }

  /** Changes whenever spans are added or removed. */
  get revision(): number {
    return this.#changes;
  }

  /** Changes with the spans of a trace, so that results made from them hold until it does. */
  version(traceId: string): string {
    const found = this.#db
      .prepare('SELECT COUNT(*) AS size, MAX(rowid) AS latest FROM span WHERE trace_id = ?')
      .get(traceId);
    return `${found?.['size']}-${found?.['latest'] ?? 0}`;
  }

  /** Beginnings of shutdowns that have no end, the latest first. */
  openMarkers(most: number): readonly Span[] {
    return openMarkersIn(this.#db, most);
  }

  /** Shutdowns and onlines, the latest beginning first. */
  roots(query: RootQuery): Generator<FoundRoot> {
    return rootsIn(this.#db, query);
  }

  /** Totals of those that a query finds. */
  countRoots(query: RootQuery): RootCounts {
    return countRoots(this.#db, query);
  }

  /** Names of the services that shut down or came online. */
  rootServices(): readonly string[] {
    return rootServicesIn(this.#db);
  }

  services(): readonly string[] {
    return this.#db
      .prepare('SELECT DISTINCT service FROM span ORDER BY service')
      .all()
      .map((row) => String(row['service']));
  }

  operations(service: string): readonly { readonly name: string; readonly kind: string }[] {
    return this.#db
      .prepare('SELECT DISTINCT name, kind FROM span WHERE service = ? ORDER BY name, kind')
      .all(service)
      .map((row) => ({ name: String(row['name']), kind: KINDS[Number(row['kind'])] ?? '' }));
  }

  /**
   * Traces with all their spans, ordered by start; unknown ids are left out. Stops before the trace that would make the answer too
   * large; cuts only a trace that is too large by itself.
   */
  traces(ids: readonly string[]): readonly (readonly StoredSpan[])[] {
    const select = this.#db.prepare('SELECT body, origin FROM span WHERE trace_id = ? ORDER BY start, span_id');
    const origins = new Origins(this.#db, ANSWER_BYTES);
    let bytes = 0;
    const traces: StoredSpan[][] = [];
    for (const id of ids) {
      const spans: StoredSpan[] = [];
      let isCut = false;
      for (const row of select.iterate(id)) {
        bytes += String(row['body']).length;
        isCut = bytes + origins.bytes > ANSWER_BYTES;
        if (isCut) break;
        spans.push({
          ...(JSON.parse(String(row['body'])) as Span),
          origin: origins.get(Number(row['origin'])),
        });
      }
      if (spans.length > 0 && !(isCut && traces.length > 0)) traces.push(spans);
      if (isCut) break;
    }
    return traces;
  }

  /**
   * Ids of the traces that match, the one with the latest matching span first. Tags are in no index: a search for rare tags reads
   * every span of the other conditions, and all else waits (2 s for 450,000).
   */
  find({
    service,
    operation,
    tags,
    startMin,
    startMax,
    durationMin,
    durationMax,
    limit,
  }: TraceQuery): readonly string[] {
    const bounds: readonly (readonly [string, SQLInputValue | undefined])[] = [
      ['service = ?', service],
      ['name = ?', operation],
      ['start >= ?', startMin],
      ['start <= ?', startMax],
      ['duration >= ?', durationMin],
      ['duration <= ?', durationMax],
    ];
    const given = bounds.filter(([, value]) => value !== undefined);
    const wanted = Object.entries(tags);
    const rows = this.#db
      .prepare(
        `SELECT trace_id, body, origin FROM span WHERE ${given.map(([condition]) => condition).join(' AND ')} ORDER BY start DESC`,
      )
      .iterate(...given.map(([, value]) => value as SQLInputValue));
    const origins = new Origins(this.#db, ANSWER_BYTES);
    const found = new Set<string>();
    for (const row of rows) {
      if (found.size >= limit) break;
      const id = String(row['trace_id']);
      if (found.has(id)) continue;
      if (wanted.length === 0 || hasTags(wanted, JSON.parse(String(row['body'])), origins.get(Number(row['origin']))))
        found.add(id);
    }
    return [...found];
  }

  /** Removes traces that are too many or too old. Repeated calls remove all old ones after a while. */
  bound(now: number = Date.now()): void {
    if (now - this.#agedAt >= AGE_EVERY_MS) {
      this.#agedAt = now;
      const begun = performance.now();
      const aged = `SELECT id FROM trace WHERE received < ? ORDER BY received LIMIT ${TRACES_REMOVED}`;
      while (
        this.#remove(aged, now - this.#options.maxAgeMs) === TRACES_REMOVED &&
        performance.now() - begun < REMOVING_MS
      );
    }
    this.#grown = 0;
    while (this.#bytes() > this.#options.maxBytes) {
      const share = 'SELECT max(1, CAST(COUNT(*) * ? AS INTEGER)) FROM trace';
      if (this.#remove(`SELECT id FROM trace ORDER BY received LIMIT (${share})`, SHARE_REMOVED) === 0) break;
    }
  }

  close(): void {
    this.#db.close();
  }

  #addGroup(origin: Origin, spans: readonly Span[]): readonly Span[] {
    if (spans.length === 0) return [];
    const body = JSON.stringify(origin);
    const { addOrigin, findOrigin } = this.#statements;
    const digest = hash('sha256', body);
    const id = Number((findOrigin.get(digest) ?? addOrigin.get(digest, body))?.['id']);
    return spans.filter((span) => {
      const { start, duration } = timesOf(span);
      const { traceId, spanId, name, kind } = span;
      const text = JSON.stringify(span);
      this.#grown += text.length;
      const row = [id, origin.service, name, kind, start, duration, text];
      if (this.#statements.addSpan.run(traceId, spanId, ...row).changes > 0) return true;
      // A process's own root replaces one that others made for it.
      const isEnd = name === spanName('offline') && !text.includes(SAID_KILLED);
      return isEnd && this.#statements.replaceKilled.run(...row, traceId, spanId, SAID_KILLED).changes > 0;
    });
  }

  /** Removes the traces whose ids a query selects; returns their number. */
  #remove(selection: string, parameter: number): number {
    const ids = this.#db.prepare(selection).all(parameter);
    if (ids.length === 0) return 0;
    this.#changes++;
    const [spans, trace] = ['DELETE FROM span WHERE trace_id = ?', 'DELETE FROM trace WHERE id = ?'].map((sql) =>
      this.#db.prepare(sql),
    );
    together(this.#db, () => {
      for (const { id } of ids) {
        spans?.run(id as string);
        trace?.run(id as string);
      }
      this.#db.exec('DELETE FROM origin WHERE NOT EXISTS (SELECT 1 FROM span WHERE span.origin = origin.id)');
    });
    this.#db.exec('PRAGMA incremental_vacuum');
    return ids.length;
  }

  #bytes(): number {
    return Number(this.#statements.size.get()?.['bytes']);
  }
}

function hasTags(wanted: readonly (readonly [string, string])[], span: Span, { resource, scope }: Origin): boolean {
  const places = [span.attributes, scope.attributes, resource, ...span.events.map((event) => event.attributes)];
  return wanted.every(([key, value]) =>
    key === 'error'
      ? STATUS[span.status.code] === (value === 'true' ? 'ERROR' : 'OK')
      : places.some((attributes) => hasTag(attributes, key, value)),
  );
}

function hasTag(attributes: readonly Attribute[], key: string, value: string): boolean {
  const attribute = attributes.find((each) => each.key === key);
  return attribute !== undefined && textOf(attribute.value) === value;
}
