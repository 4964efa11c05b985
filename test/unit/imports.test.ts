import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const src = resolve(import.meta.dirname, '../../src');

/** What a room may import beside itself. Files directly in `src` may import everything, except the leaves. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  lifecycle: ['errors'],
  config: ['errors'],
  protocol: ['errors', 'lifecycle'],
  registry: ['errors', 'log', 'lifecycle', 'protocol', 'config'],
  trace: ['errors', 'log', 'lifecycle', 'protocol', 'config'],
  provider: ['errors', 'log', 'lifecycle', 'protocol', 'config', 'registry', 'trace'],
  consumer: ['errors', 'log', 'lifecycle', 'protocol', 'config', 'registry', 'trace'],
  errors: [],
  log: ['lifecycle'],
};

/** Hazards and the one place that may touch them. */
const OWNERS: readonly { readonly hazard: RegExp; readonly owner: RegExp }[] = [
  { hazard: /\bprocess\.env\b/, owner: /^(config\/|cli\/)/ },
  { hazard: /from '@opentelemetry\//, owner: /^trace\/sdk\.ts$/ },
  { hazard: /\b(setTimeout|setInterval|Date\.now|performance\.now)\(/, owner: /^(lifecycle\/clock\.ts$|cli\/)/ },
  { hazard: /^(export )?let /m, owner: /^$/ },
  {
    hazard: /\bprocess\.(on|once|kill|exit)\(/,
    owner: /^(provider\/(signals|signal-hook|cluster)\.ts|start\.ts|trace\/provider\.ts|registry\/process\.ts|cli\/)/,
  },
];

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: readFileSync(join(src, file), 'utf8') }));

function roomOf(file: string): string {
  return file.includes('/') ? (file.split('/')[0] ?? '') : file.replace(/\.ts$/, '');
}

describe('directions of import', () => {
  test.each(files.filter(({ file }) => roomOf(file) in ALLOWED))('$file', ({ file, text }) => {
    const imports = [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, path]) =>
      roomOf(relative(src, resolve(src, file, '..', path ?? ''))),
    );
    const room = roomOf(file);
    expect(imports.filter((other) => other !== room && !ALLOWED[room]?.includes(other))).toEqual([]);
  });
});

describe('one owner for each hazard', () => {
  test.each(OWNERS)('$hazard', ({ hazard, owner }) => {
    expect(files.filter(({ file, text }) => !owner.test(file) && hazard.test(text)).map(({ file }) => file)).toEqual(
      [],
    );
  });
});
