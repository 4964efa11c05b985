import type { DatabaseSync } from 'node:sqlite';
import { ROOTS } from './roots.ts';

/** Longest journal that is kept when what it holds has been written, in bytes: otherwise it keeps the size that it once had. */
const LONGEST_JOURNAL = 16 * 1_024 * 1_024;

/** Changes with the tables: a database of another version is begun anew. */
const VERSION = 1;

/** The few spans that say that a shutdown or a start began or ended. Made anew when an earlier version made another. */
const ROOT_INDEX = `CREATE INDEX span_by_root ON span (start, service) WHERE name IN (${ROOTS})`;

/** Marks a database as ours (`PRAGMA application_id`): that of something else is never touched. */
const APPLICATION = 0x6c6f7373;

const TABLES = `
  CREATE TABLE origin (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
  CREATE TABLE trace (id TEXT PRIMARY KEY, received INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX trace_by_arrival ON trace (received);
  CREATE TABLE span (
    trace_id TEXT NOT NULL, span_id TEXT NOT NULL, origin INTEGER NOT NULL, service TEXT NOT NULL, name TEXT NOT NULL,
    kind INTEGER NOT NULL, start INTEGER NOT NULL, duration INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (trace_id, span_id)
  );
  CREATE INDEX span_by_service ON span (service, start);
  CREATE INDEX span_by_operation ON span (service, name, kind, start);
  CREATE INDEX span_by_origin ON span (origin);
`;

/**
 * Opens a database with the tables of spans, creating them if need be.
 *
 * @throws Error when the file holds something else
 */
export function openDatabase(path: string): DatabaseSync {
  const db = openSilently(path);
  if (pragma(db, 'application_id') !== APPLICATION && db.prepare('SELECT 1 FROM sqlite_schema').get() !== undefined) {
    db.close();
    throw new Error(`${path} is a database of something else; name a new file`);
  }
  // Space is given back only if that is said before anything is written.
  db.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  db.exec(`PRAGMA journal_size_limit = ${LONGEST_JOURNAL}`);
  if (pragma(db, 'user_version') !== VERSION)
    together(db, () =>
      db.exec(`
        DROP TABLE IF EXISTS origin; DROP TABLE IF EXISTS trace; DROP TABLE IF EXISTS span;
        ${TABLES} PRAGMA user_version = ${VERSION}; PRAGMA application_id = ${APPLICATION}
      `),
    );
  if (db.prepare("SELECT sql FROM sqlite_schema WHERE name = 'span_by_root'").get()?.['sql'] !== ROOT_INDEX)
    together(db, () => db.exec(`DROP INDEX IF EXISTS span_by_root; ${ROOT_INDEX}`));
  return db;
}

/** SQLite is loaded only now, and on Node.js 22 without its warning that it is experimental. */
function openSilently(path: string): DatabaseSync {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    const sqlite = process.getBuiltinModule('node:sqlite');
    return new sqlite.DatabaseSync(path, { timeout: 1_000 });
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** A number that SQLite keeps about a database. */
export function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0] ?? 0);
}

/** Does all of `work` or, when it throws, nothing. */
export function together(db: DatabaseSync, work: () => void): void {
  db.exec('BEGIN');
  try {
    work();
    db.exec('COMMIT');
  } catch (thrown) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw thrown;
  }
}
