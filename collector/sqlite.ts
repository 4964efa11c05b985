import type { DatabaseSync } from 'node:sqlite';

/** Opens a database, creating it if need be. SQLite is loaded now, and on Node.js 22 without its warning that it is experimental. */
export function openDatabase(path: string): DatabaseSync {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    const sqlite = process.getBuiltinModule('node:sqlite');
    return new sqlite.DatabaseSync(path, { timeout: 1_000 });
  } finally {
    process.emitWarning = emitWarning;
  }
}
