import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { METRIC_DIMENSIONS } from '../../../collector/dimensions.ts';

const root = resolve(import.meta.dirname, '../../..');
const read = (path: string) => parse(readFileSync(resolve(root, path), 'utf8'));

test('Jaeger counts by the dimensions of the embedded collector', () => {
  const { dimensions } = read('collector/jaeger/jaeger.yaml').connectors.spanmetrics;
  expect(dimensions).toEqual(METRIC_DIMENSIONS.map((name) => ({ name })));
});
