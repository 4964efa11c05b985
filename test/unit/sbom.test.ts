import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { bundledPackages, notice, packageIn, sbom } from '../../scripts/sbom.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const root = useScratchFolder();
const at = (path: string) => join(root, 'node_modules', path);
const write = (path: string, text: string) => {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), text);
};
const install = (path: string, manifest: object, license?: string) => {
  write(`${path}/package.json`, JSON.stringify(manifest));
  if (license !== undefined) write(`${path}/LICENSE`, license);
};
const output = (bytes: Record<string, number>) => ({
  bytes: 0,
  imports: [],
  exports: [],
  inputs: Object.fromEntries(Object.entries(bytes).map(([path, bytesInOutput]) => [path, { bytesInOutput }])),
});

beforeAll(() => {
  install('@a/one', { name: '@a/one', version: '1.0.0', license: 'MIT' }, 'the terms\n');
  install('two', { name: 'two', version: '2.0.0', license: 'MIT' }, 'the terms\n');
  install('two/node_modules/@a/one', { name: '@a/one', version: '1.1.0', license: 'MIT' }, 'other terms\n');
  // The same version at a second place.
  install('three/node_modules/@a/one', { name: '@a/one', version: '1.0.0', license: 'MIT' }, 'the terms\n');
  install('dropped', { name: 'dropped', version: '4.0.0', license: 'MIT' }, 'the terms\n');
  install('unlicensed', { name: 'unlicensed', version: '5.0.0' }, 'the terms\n');
  install('no-text', { name: 'no-text', version: '6.0.0', license: 'MIT' });
});

const bundles = () =>
  bundledPackages({
    'dist/b.js': output({ [at('two/index.js')]: 5, [at('@a/one/index.js')]: 1, [at('@a/one/more.js')]: 1 }),
    'dist/a.js': output({
      'src/a.js': 9,
      [at('two/node_modules/@a/one/index.js')]: 7,
      [at('three/node_modules/@a/one/index.js')]: 7,
      [at('@a/one/index.js')]: 7,
      [at('dropped/index.js')]: 0,
    }),
    'dist/own.js': output({ 'src/own.js': 1 }),
  });

test('a bundle has each package of which code is in it, each version once', () => {
  const named = [...bundles()].map(([file, packages]) => [file, packages.map((one) => `${one.name} ${one.version}`)]);
  expect(Object.fromEntries(named)).toEqual({
    'dist/a.js': ['@a/one 1.0.0', '@a/one 1.1.0'],
    'dist/b.js': ['@a/one 1.0.0', 'two 2.0.0'],
  });
});

test('a notice has every text once', () => {
  expect(notice(bundles().get('dist/b.js') ?? [])).toBe('@a/one 1.0.0 (MIT)\ntwo 2.0.0 (MIT)\n\nthe terms\n');
});

test('an SBOM has each version once, with the files it is in, and is the same each time', () => {
  const made = () => sbom({ name: 'own', version: '0.0.1', license: 'MIT' }, [packageIn(at('dropped'))], bundles());
  const { components } = made() as { components: Record<string, unknown>[] };
  expect(components.map(({ purl, group, evidence }) => ({ purl, group, evidence }))).toEqual([
    {
      purl: 'pkg:npm/%40a/one@1.0.0',
      group: '@a',
      evidence: { occurrences: [{ location: 'dist/b.js' }, { location: 'dist/a.js' }] },
    },
    { purl: 'pkg:npm/%40a/one@1.1.0', group: '@a', evidence: { occurrences: [{ location: 'dist/a.js' }] } },
    { purl: 'pkg:npm/dropped@4.0.0' },
    { purl: 'pkg:npm/two@2.0.0', evidence: { occurrences: [{ location: 'dist/b.js' }] } },
  ]);
  expect(JSON.stringify(made())).toBe(JSON.stringify(made()));
});

test('what has no license, or no text of it, ends the build', () => {
  expect(() => packageIn(at('unlicensed'))).toThrow(/unlicensed: expected one license/);
  expect(() => bundledPackages({ 'dist/a.js': output({ [at('no-text/index.js')]: 1 }) })).toThrow(/found none/);
});
