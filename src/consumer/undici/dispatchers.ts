/**
 * Symbols of the global dispatcher, shared by every copy of undici: `.2` since version 8, `.1` before (and in Node.js 22 and 24).
 */
export const CURRENT = Symbol.for('undici.globalDispatcher.2');
export const LEGACY = Symbol.for('undici.globalDispatcher.1');

export const DISPATCHERS = [CURRENT, LEGACY] as const;
