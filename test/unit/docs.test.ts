import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { VARIABLES } from '../../src/config/variables.ts';
import { ERRORS } from '../../src/errors.ts';
import { OFFLINE_METRICS, POINT_ATTRIBUTES } from '../../src/trace/model/offline-metrics.ts';
import { ATTRIBUTES, SPANS, spanName } from '../../src/trace/model/schema.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const pages = ['.', 'docs', 'docs/registries', 'docs/runbooks'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

/** Variables of the tests and of Grafana, and a name that stands for all. */
const NOT_OURS = [
  'LOSSLESS_TEST_JAEGER',
  'LOSSLESS_TEST_CHROMIUM',
  'LOSSLESS_TEST_SCREENSHOTS',
  'LOSSLESS_REQUIRE_SERVERS',
  'LOSSLESS_RUNBOOKS_URL',
  'LOSSLESS_',
];

describe.each(pages)('%s', (page) => {
  const text = read(page);

  test('leads to files that exist', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !existsSync(resolve(root, dirname(page), link)))).toEqual([]);
  });

  test('names variables and errors that exist', () => {
    const names = [...text.matchAll(/\bLOSSLESS_[A-Z_]*/g)].map(([name]) => name);
    expect(names.filter((name) => !(name in VARIABLES || name in ERRORS || NOT_OURS.includes(name)))).toEqual([]);
  });

  test('names spans, attributes and metrics that exist', () => {
    const spans = (Object.keys(SPANS) as (keyof typeof SPANS)[]).map(spanName);
    const known = [...Object.keys(ATTRIBUTES), ...spans, ...Object.keys({ ...OFFLINE_METRICS, ...POINT_ATTRIBUTES })];
    const names = [...text.matchAll(/`(lossless\.[a-z_.]+)`/g)].map(([, name = '']) => name);
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
  });

  test('names paths that exist', () => {
    const paths = [...text.matchAll(/`((?:src|test|scripts|collector|docs)\/[\w./-]+)`/g)].map(([, path = '']) => path);
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

describe('docs/races.md', () => {
  /** The tests named for each race. */
  const rows = new Map(
    [...read('docs/races.md').matchAll(/^\| (R[\d, R]+) \|.*\| ([^|]+) \|$/gm)].flatMap(([, ids = '', tests = '']) =>
      ids.split(', ').map((id) => [id, [...tests.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)] as const),
    ),
  );
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).filter(
    (path) => /^(unit|contract|process|system)\/.*\.ts$/.test(path) && !path.includes('node_modules'),
  );
  const nameOf = (path: string): string => basename(path).replace(/(\.test)?\.ts$/, '');

  test('answers every race once', () => {
    expect([...rows.keys()]).toEqual(Array.from({ length: 37 }, (_, n) => `R${n + 1}`));
  });

  test.each([...rows])('%s names tests that exist', (_, names) => {
    expect(names.filter((name) => !files.some((path) => nameOf(path) === name))).toEqual([]);
  });

  test('names every test that is called after a race', () => {
    const called = files.flatMap((path) =>
      [...read(join('test', path)).matchAll(/\(\s*['"`](R\d+)\b/g)].map(([, id = '']) => ({ id, name: nameOf(path) })),
    );
    expect(called.length).toBeGreaterThan(20);
    expect(called.filter(({ id, name }) => !rows.get(id)?.includes(name))).toEqual([]);
  });
});
