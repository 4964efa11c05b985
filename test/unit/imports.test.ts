import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

const PURE = ['errors', 'lifecycle', 'protocol', 'config'];
const SHARED = [...PURE, 'log', 'guard', 'private-directory', 'registry', 'trace'];

/** What a room may import beside itself; a file directly in `src` is a room of its own. A room that is not here fails. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  'private-directory': [],
  'control-file': ['private-directory', 'registry/process.ts', 'registry/small-file.ts'],
  lifecycle: ['errors'],
  config: ['errors', 'private-directory'],
  protocol: ['errors', 'lifecycle'],
  log: ['lifecycle'],
  guard: ['errors', 'log'],
  registry: [...PURE, 'log', 'private-directory', 'trace/suppress.ts'],
  trace: [...PURE, 'log', 'private-directory', 'registry/connect.ts', 'registry/process.ts', 'registry/small-file.ts'],
  provider: SHARED,
  consumer: SHARED,
  metrics: ['lifecycle', 'trace', 'consumer', 'status'],
  trust: [...PURE, 'log'],
  plugin: [
    ...SHARED,
    'provider',
    'consumer',
    'control-file',
    'control-routes',
    'status',
    'metrics',
    'running',
    'trust',
  ],
  'control-routes': [...SHARED, 'provider', 'consumer', 'plugin'],
  status: [...SHARED, 'consumer', 'provider'],
  running: ['plugin', 'trace'],
  'app-tracing': ['config', 'log', 'running', 'trace'],
  thread: ['config', 'log'],
  start: ['errors', 'config', 'log', 'plugin', 'running'],
  api: ['plugin', 'running', 'status', 'provider/attendance.ts'],
  index: ['api', 'errors', 'lifecycle', 'plugin', 'provider', 'status'],
  'first-use': ['consumer', 'provider', 'guard'],
  register: ['config', 'first-use', 'provider/threads.ts', 'running', 'start', 'app-tracing', 'thread'],
  cli: [...SHARED, 'control-file', 'status', 'collector', 'trust'],
  collector: ['trace/schema.ts', 'trace/trace.ts', 'trace/tree.ts', 'trace/verdict.ts'],
  dashboards: ['lifecycle/records.ts', 'trace/schema.ts', 'collector/dimensions.ts', 'metrics/table.ts'],
};

/** Hazards and the only files that may touch them. */
const OWNERS: readonly { readonly hazard: RegExp; readonly owner: RegExp }[] = [
  { hazard: /\bprocess\.env\b/, owner: /^src\/(config|cli)\// },
  { hazard: /['"]@opentelemetry\//, owner: /^src\/trace\/(sdk|app-tracing)\.ts$/ },
  // The time-out of a socket is a setting of the application that is passed on, no timer of ours.
  {
    hazard:
      /(?<!\bsocket\??\.)\b(setTimeout|setInterval|Date\.now|performance\.now|process\.hrtime)\(|new Date\(\)|timers\/promises/,
    owner: /^(src\/(lifecycle\/clock\.ts$|cli\/)|collector\/)/,
  },
  { hazard: /\bAbortSignal\.timeout\(/, owner: /^(src\/cli|collector\/page)\// },
  { hazard: /^(export )?(let|var) /m, owner: /^$/ },
  {
    hazard: /\bprocess\.(on|once|kill|exit)\(/,
    owner:
      /^src\/(provider\/(signals|signal-hook|cluster)\.ts|start\.ts|trace\/provider\.ts|registry\/process\.ts|cli\/)/,
  },
  // What is preloaded into a service must not cost its start; these are loaded when they are needed.
  {
    hazard: /^(import|export) (?!type )[^;]*?from '(undici|pino|prom-client|node:(http|https|http2|dgram))'/m,
    owner: /^(src\/cli|src\/metrics\/prometheus\.ts|collector)/,
  },
  { hazard: /\bimport\('node:http'\)/, owner: /^$/ },
];

const files = ['src', 'collector', 'dashboards'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => ({ file: `${folder}/${file}`, text: readFileSync(join(root, folder, file), 'utf8') })),
);

/** `src/provider/drain.ts` is in `provider`, `src/log.ts` in `log`, `collector/store.ts` in `collector`. */
function roomOf(path: string): string {
  return path.replace(/^src\//, '').replace(/\/.*|\.ts$/, '');
}

/** Paths, from the root, of what a file imports from this repository, in whatever way. */
function importsOf(file: string, text: string): readonly string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*['"](\.[^'"]+)['"]/g)].map(([, path = '']) =>
    resolve(root, file, '..', path).slice(root.length + 1),
  );
}

describe('directions of import', () => {
  test.each(files)('$file', ({ file, text }) => {
    const room = roomOf(file);
    const allowed = ALLOWED[room];
    expect(allowed, `a row for ${room}`).toBeDefined();
    const foreign = importsOf(file, text).filter(
      (path) =>
        roomOf(path) !== room &&
        !allowed?.some((other) => [roomOf(path), path, path.replace('src/', '')].includes(other)),
    );
    expect(foreign).toEqual([]);
  });
});

describe('one owner for each hazard', () => {
  test.each(OWNERS)('$hazard', ({ hazard, owner }) => {
    expect(files.filter(({ file, text }) => !owner.test(file) && hazard.test(text)).map(({ file }) => file)).toEqual(
      [],
    );
  });
});
