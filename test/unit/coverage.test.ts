import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { COVERAGE } from '../support/coverage.ts';

const root = join(import.meta.dirname, '../process');

describe('what is covered', () => {
  test.each(COVERAGE.map((row) => [row.name, row] as const))('%s: its test exists', (_, { test: [file, title] }) => {
    expect(readFileSync(join(root, file), 'utf8')).toContain(title);
  });

  test('has each name once of a kind, and each gap says what to write instead', () => {
    expect(new Set(COVERAGE.map(({ kind, name }) => `${kind} ${name}`)).size).toBe(COVERAGE.length);
    for (const { name, covered, note } of COVERAGE) expect(covered === 'yes' || note !== undefined, name).toBe(true);
  });
});
