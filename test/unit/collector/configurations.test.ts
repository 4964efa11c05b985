import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { CALLS_DIMENSIONS, METRIC_DIMENSIONS } from '../../../collector/server/dimensions.ts';

const root = resolve(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(resolve(root, path), 'utf8');

/** The variables of the collectors' configurations, with their defaults. */
const variables = new Map(
  ['jaeger', 'otel']
    .flatMap((folder) => readdirSync(resolve(root, 'collector', folder)).map((name) => `collector/${folder}/${name}`))
    .flatMap((path) => [...read(path).matchAll(/\$\{env:(\w+)(?::-([^}]*))?\}/g)])
    .map(([, name = '', otherwise]) => [name, otherwise] as const),
);

test('Jaeger counts by the dimensions of the embedded collector', () => {
  const { dimensions, calls_dimensions } = parse(read('collector/jaeger/jaeger.yaml')).connectors.spanmetrics;
  expect(dimensions).toEqual(METRIC_DIMENSIONS.map((name) => ({ name })));
  expect(calls_dimensions).toEqual(CALLS_DIMENSIONS.map((name) => ({ name })));
});

test('every variable of the configurations has a default, and both are on the page', () => {
  const page = read('docs/pipeline.md');
  expect(variables.size).toBeGreaterThan(10);
  const missing = [...variables].filter(
    ([name, otherwise]) => otherwise === undefined || !page.includes(`\`${name}`) || !page.includes(otherwise),
  );
  expect(missing).toEqual([]);
});
