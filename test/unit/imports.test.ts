import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** What every room may import: words, times and what crosses the wire. */
const PURE = ['errors', 'json', 'lifecycle', 'protocol', 'config'];
const SHARED = [...PURE, 'log', 'guard', 'io', 'registry'];

/**
 * What a room may import beside itself. A room is a folder; a file directly in `src` is a room of its own. One that is not here
 * fails, and none of them is a single file of another room.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  json: [],
  version: [],
  lifecycle: ['errors'],
  protocol: ['errors', 'json', 'lifecycle'],
  log: ['lifecycle'],
  guard: ['errors', 'log'],
  io: ['errors', 'lifecycle', 'protocol'],
  config: ['errors', 'json', 'lifecycle', 'io', 'version'],
  process: ['errors', 'json', 'lifecycle', 'io', 'config', 'log', 'guard'],
  'trace/model': ['json', 'lifecycle'],
  trace: [...PURE, 'log', 'io', 'process', 'trace/model', 'version'],
  registry: [...PURE, 'log', 'io', 'process', 'registry/*'],
  'registry/*': [...PURE, 'io', 'process', 'registry'],
  'provider/traffic': SHARED,
  'provider/work': ['errors', 'lifecycle', 'log'],
  'provider/entry': [...SHARED, 'provider/traffic'],
  'provider/registration': [...SHARED, 'provider/traffic'],
  'provider/online': [...SHARED, 'provider/registration'],
  'provider/offline': [
    ...SHARED,
    'process',
    'provider/entry',
    'provider/registration',
    'provider/traffic',
    'provider/work',
  ],
  provider: [...SHARED, 'process', 'provider/*'],
  'consumer/directory': SHARED,
  'consumer/call': [...SHARED, 'consumer/directory'],
  'consumer/http': [...SHARED, 'process', 'consumer/directory', 'consumer/call'],
  'consumer/undici': [...SHARED, 'process', 'consumer/directory', 'consumer/call'],
  'consumer/http2': [...SHARED, 'process', 'consumer/directory', 'consumer/call'],
  'consumer/grpc': [...SHARED, 'process', 'consumer/directory', 'consumer/call'],
  consumer: [
    ...SHARED,
    'consumer/directory',
    'consumer/call',
    'consumer/http',
    'consumer/http2',
    'consumer/grpc',
    'consumer/undici',
  ],
  'consumer/goaway': [...SHARED, 'consumer'],
  control: [...PURE, 'guard', 'io', 'process'],
  status: [...SHARED, 'consumer', 'provider/*', 'trace'],
  metrics: ['lifecycle', 'consumer', 'status', 'trace'],
  plugin: [
    ...SHARED,
    'provider',
    'provider/*',
    'consumer',
    'consumer/*',
    'control',
    'metrics',
    'process',
    'status',
    'trace',
  ],
  register: ['config', 'plugin', 'process'],
  api: ['errors', 'lifecycle', 'plugin', 'provider', 'provider/work', 'status'],
  index: ['api', 'errors', 'lifecycle', 'provider', 'provider/offline', 'provider/work', 'status'],
  cli: [
    ...SHARED,
    'cli/conformance',
    'cli/demo',
    'collector/server',
    'control',
    'plugin',
    'status',
    'trace',
    'trace/model',
  ],
  'cli/conformance': [...SHARED, 'cli', 'plugin'],
  'cli/demo': [...SHARED, 'cli', 'provider/entry', 'trace/model'],
  'collector/server': ['json', 'lifecycle', 'metrics', 'trace/model'],
  'collector/page': ['json', 'lifecycle', 'collector/server', 'trace/model'],
  dashboards: ['lifecycle', 'trace/model', 'collector/server', 'metrics'],
};

/** Hazards and the only files that may touch them. */
const OWNERS: readonly { readonly hazard: RegExp; readonly owner: RegExp }[] = [
  { hazard: /\bprocess\.env\b/, owner: /^src\/(config|cli)\// },
  { hazard: /['"]@opentelemetry\//, owner: /^src\/trace\/app-tracing\.ts$/ },
  // The time-out of a socket is a setting of the application that is passed on, no timer of ours.
  {
    hazard:
      /(?<!\bsocket\??\.)\b(setTimeout|setInterval|Date\.now|performance\.now|process\.hrtime)\(|new Date\(\)|timers\/promises/,
    owner: /^(src\/(lifecycle\/clock\.ts$|cli\/)|collector\/)/,
  },
  { hazard: /\bAbortSignal\.timeout\(/, owner: /^(src\/cli|collector\/page)\// },
  { hazard: /^(export )?(let|var) /m, owner: /^$/ },
  // One client of HTTP, one reader of files, one reader of JSON; the store reads what it has written itself.
  { hazard: /\bnew ClientRequest\(/, owner: /^src\/io\/request\.ts$/ },
  { hazard: /\breadSync\(file\b/, owner: /^(src\/io\/small-file|collector\/server\/database)\.ts$/ },
  { hazard: /\bJSON\.parse\(/, owner: /^(src\/json|collector\/server\/(store|origins|root-queries))\.ts$/ },
  {
    hazard: /\bprocess\.(on|once|kill|exit)\(/,
    owner: /^src\/(process\/(signals|signal-hook|cluster|started-at)\.ts|plugin\/start\.ts|trace\/exporter\.ts|cli\/)/,
  },
  // What is preloaded into a service must not cost its start; these are loaded when they are needed.
  {
    hazard: /^(import|export) (?!type )[^;]*?from '(undici|node:(http|https|http2|dgram))'/m,
    owner: /^(src\/cli|collector)/,
  },
  { hazard: /\bimport\('node:http'\)/, owner: /^$/ },
];

const files = ['src', 'collector', 'dashboards'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => ({ file: `${folder}/${file}`, text: readFileSync(join(root, folder, file), 'utf8') })),
);

/** `src/provider/offline/drain.ts` is in `provider/offline`, `src/log.ts` in `log`, `collector/server/store.ts` in `collector/server`. */
function roomOf(path: string): string {
  const inside = path.replace(/^src\//, '');
  return inside.includes('/') ? dirname(inside) : inside.replace(/\.ts$/, '');
}

/** The name of a room, and the one that stands for all the rooms in the same folder. */
function namesOf(room: string): readonly string[] {
  return room.includes('/') ? [room, `${dirname(room)}/*`] : [room];
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
    const allowed = namesOf(room)
      .map((name) => ALLOWED[name])
      .find((row) => row !== undefined);
    expect(allowed, `a row for ${room}`).toBeDefined();
    const foreign = importsOf(file, text).filter(
      (path) => roomOf(path) !== room && !namesOf(roomOf(path)).some((name) => allowed?.includes(name)),
    );
    expect(foreign).toEqual([]);
  });

  test('no file leads back to itself', () => {
    const graph = new Map(files.map(({ file, text }) => [file, importsOf(file, text)]));
    const ended = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, way: readonly string[]): void => {
      if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' -> '));
      if (ended.has(file) || way.includes(file)) return;
      for (const next of graph.get(file) ?? []) visit(next, [...way, file]);
      ended.add(file);
    };
    for (const { file } of files) visit(file, []);
    expect(circles).toEqual([]);
  });
});

describe('one owner for each hazard', () => {
  test.each(OWNERS)('$hazard', ({ hazard, owner }) => {
    expect(files.filter(({ file, text }) => !owner.test(file) && hazard.test(text)).map(({ file }) => file)).toEqual(
      [],
    );
  });
});
