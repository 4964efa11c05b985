import { closeSync, existsSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { IS_CLEAN, IS_UNTOLD, RESULT, ROOTS } from './roots.ts';

/**
 * Length of the journal, in bytes, at which it is written into the database, and to which it is then cut. The default is a quarter:
 * pages that many spans share would be written, and waited for, four times as often.
 */
const LONGEST_JOURNAL = 16 * 1_024 * 1_024;

/** Bytes of a page of SQLite: its default. */
const PAGE = 4_096;

/** Changes with the tables. A database of another version starts empty. */
const VERSION = 1;

/** Indexes beside those of the keys: few, because each is written for every span. Those of an earlier version are replaced. */
const INDEXES: Readonly<Record<string, string>> = {
  trace_by_arrival: 'trace (received)',
  span_by_service: 'span (service, start, name, kind)',
  span_by_origin: 'span (origin, trace_id)',
  // The few consumers that a search finds by their own span.
  span_by_untold: `span (trace_id) WHERE ${IS_UNTOLD}`,
  // The few spans of beginnings and ends of shutdowns and starts, with what is counted of them.
  span_by_root: `span (start, service, name, duration, trace_id, ${RESULT}, ${IS_CLEAN}) WHERE name IN (${ROOTS})`,
};

/** Marks a database as ours (`PRAGMA application_id`). The collector never touches any other. */
const APPLICATION = 0x6c6f7373;

const TABLES = `
  CREATE TABLE origin (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
  CREATE TABLE trace (id TEXT PRIMARY KEY, received INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE span (
    trace_id TEXT NOT NULL, span_id TEXT NOT NULL, origin INTEGER NOT NULL, service TEXT NOT NULL, name TEXT NOT NULL,
    kind INTEGER NOT NULL, start INTEGER NOT NULL, duration INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (trace_id, span_id)
  );
`;

/** Results of SQLite for a file that is damaged, or no database at all (sqlite.org/rescode.html). */
const DAMAGED = [11, 26];

/** The beginning of a file of SQLite, and the offset of the application's mark (sqlite.org/fileformat2.html). */
const HEADER = 'SQLite format 3\0';
const APPLICATION_AT = 68;

export interface DatabaseOptions {
  /** Whether the file belongs to the collector, whatever it holds. Default: it begins like one of ours. */
  readonly isOurs?: boolean;
  /** Called with a message when a damaged database was set aside. */
  readonly onDamage?: (message: string) => void;
}

/**
 * Opens a database with the tables of spans, and creates them if need be. Sets a damaged database of ours aside as
 * `<path>.damaged`, and begins a new one.
 *
 * @throws Error when the file holds something else
 */
export function openDatabase(
  path: string,
  { isOurs = beginsAsOurs(path), onDamage }: DatabaseOptions = {},
): DatabaseSync {
  try {
    return openTables(path);
  } catch (thrown) {
    if (!isDamage(thrown) || !isOurs) throw thrown;
    onDamage?.(setAside(path, thrown as Error));
    return openTables(path);
  }
}

/** Whether SQLite has found a database damaged. */
export function isDamage(thrown: unknown): boolean {
  // The lowest byte holds the code of the result.
  return DAMAGED.includes(Number((thrown as { readonly errcode?: unknown } | null)?.errcode) & 0xff);
}

/** Whether a file begins like one of ours, as far as it goes. Any other file is never touched. */
function beginsAsOurs(path: string): boolean {
  if (!existsSync(path)) return false;
  const bytes = Buffer.alloc(APPLICATION_AT + 4);
  const file = openSync(path, 'r');
  const length = readSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
  const begin = bytes.toString('latin1', 0, Math.min(length, HEADER.length));
  return HEADER.startsWith(begin) && (length < bytes.length || bytes.readUInt32BE(APPLICATION_AT) === APPLICATION);
}

/**
 * Renames a database and its journal; replaces one that was set aside before.
 *
 * @returns what was done, in words
 */
export function setAside(path: string, { message }: Error): string {
  const aside = `${path}.damaged`;
  for (const part of ['-wal', '-shm', '']) {
    rmSync(`${aside}${part}`, { force: true });
    if (existsSync(`${path}${part}`)) renameSync(`${path}${part}`, `${aside}${part}`);
  }
  return `the database ${path} is damaged (${message}); the collector set it aside as ${aside} and began a new one`;
}

function openTables(path: string): DatabaseSync {
  const db = openSilently(path);
  try {
    return withTables(db, path);
  } catch (thrown) {
    if (db.isOpen) db.close();
    throw thrown;
  }
}

function withTables(db: DatabaseSync, path: string): DatabaseSync {
  if (pragma(db, 'application_id') !== APPLICATION && db.prepare('SELECT 1 FROM sqlite_schema').get() !== undefined)
    throw new Error(`${path} is the database of another program; name a new file`);
  // SQLite gives space back only if auto_vacuum is set before the first write.
  db.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  db.exec(`PRAGMA journal_size_limit = ${LONGEST_JOURNAL}; PRAGMA wal_autocheckpoint = ${LONGEST_JOURNAL / PAGE}`);
  if (pragma(db, 'user_version') !== VERSION)
    together(db, () =>
      db.exec(`
        DROP TABLE IF EXISTS origin; DROP TABLE IF EXISTS trace; DROP TABLE IF EXISTS span;
        ${TABLES} PRAGMA user_version = ${VERSION}; PRAGMA application_id = ${APPLICATION}
      `),
    );
  together(db, () => makeIndexes(db));
  return db;
}

function makeIndexes(db: DatabaseSync): void {
  const wanted = new Map(Object.entries(INDEXES).map(([name, on]) => [name, `CREATE INDEX ${name} ON ${on}`]));
  const made = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").all();
  for (const { name, sql } of made)
    if (wanted.get(String(name)) === sql) wanted.delete(String(name));
    else db.exec(`DROP INDEX "${name}"`);
  for (const sql of wanted.values()) db.exec(sql);
}

/** Loads SQLite only now, and suppresses the warning of Node.js 22 that it is experimental. */
function openSilently(path: string): DatabaseSync {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    const sqlite = process.getBuiltinModule('node:sqlite');
    // Readable by this user alone, and so are the files that SQLite puts beside it.
    if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600));
    return new sqlite.DatabaseSync(path, { timeout: 1_000 });
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** A number of SQLite about a database. */
function pragma(db: DatabaseSync, name: string): number {
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
