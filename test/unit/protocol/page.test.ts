import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'docs/protocol.md'), 'utf8');

/** Rows of the table of bounds: a value, and the constant that has it. */
const rows = [...page.matchAll(/^\| ([^|]+) \| (\d+) \| `(src\/[^`]+)` ([A-Z_]+) \|$/gm)].map(
  ([, what = '', value = '', file = '', name = '']) => [what, Number(value), file, name] as const,
);

test('the page of the protocol has a table of bounds', () => {
  expect(rows.length).toBeGreaterThan(20);
});

test.each(rows)('%s: %i', (_, value, file, name) => {
  const [, product = ''] =
    new RegExp(`^(?:export )?const ${name}(?:: number)? = ([\\d_ *]+);`, 'm').exec(
      readFileSync(join(root, file), 'utf8'),
    ) ?? [];
  const factors = product.replaceAll('_', '').split('*').map(Number);
  expect(factors.reduce((so, factor) => so * factor, 1)).toBe(value);
});
