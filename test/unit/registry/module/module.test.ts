import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../../src/lifecycle/clock.ts';
import { openRegistry } from '../../../../src/registry/open.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';
import { useScratchFolder } from '../../../support/use-scratch-folder.ts';

const folder = useScratchFolder();
let modules = 0;

/** Opens the registry of a module with this text. */
async function opened(text: string, clock = systemClock, file = `${modules++}.mjs`): Promise<unknown> {
  const path = join(folder, file);
  writeFileSync(path, text);
  return openRegistry(new URL(`own://user:hidden%40@host?module=${path}`), { clock, log: () => {} });
}

const COMPLETE =
  "title: 'Own', address: 'there', capabilities: { push: false, lagMs: 1, expires: true }, beatMs: 1000, write() {}, beat() {}, remove() {}, list: () => [], rounds: () => () => 1";

describe('a module is refused in one line, which says why', () => {
  test.each([
    ['does not exist', undefined, /^LOSSLESS_REGISTRY_MODULE: .*nowhere\.mjs cannot be loaded: Cannot find module/],
    ['is not JavaScript', '}{', /cannot be loaded: ./],
    ['throws', "throw new Error('not today')", /cannot be loaded: not today/],
    ['throws undefined', 'throw undefined', /cannot be loaded: undefined/],
    ['exports nothing', '', /does not export the function openBackend: it exports nothing/],
    ['exports another name', 'export const a = 1, openBackend = {}', /it exports a, openBackend/],
    ['does not open', "export const openBackend = () => { throw new TypeError('no host') }", /does not open: no host/],
    ['rejects', "export const openBackend = async () => { throw 'no host' }", /does not open: no host/],
    [
      'repeats the password',
      'export const openBackend = (url) => { throw new Error(url.href) }',
      /own:\/\/user:\*\*\*@host/,
    ],
    ['opens no backend', 'export const openBackend = () => {}', /gives no backend: it is no object/],
    ['opens a list', 'export const openBackend = () => []', /gives no backend: it is no object/],
    [
      'opens an incomplete backend',
      "export const openBackend = () => ({ title: 'x', beatMs: 0, list: 1, close: 1, capabilities: { push: 1 } })",
      /gives no backend: address is no string, write is no function, .*lagMs is no number, .*beatMs is less than 100, close is no function/,
    ],
  ])('a module that %s', async (_, text, says) => {
    const failing =
      text === undefined
        ? openRegistry(new URL('own:?module=./nowhere.mjs'), { clock: systemClock, log: () => {} })
        : opened(text);
    const failure = (await failing.catch((thrown: Error) => thrown)) as Error;
    expect(failure).toMatchObject({ name: 'LosslessError', code: 'LOSSLESS_REGISTRY_MODULE' });
    expect(failure.message).toMatch(says);
    expect(failure.message).not.toMatch(/hidden|\n/);
  });

  test.each([
    ['loaded', 'await new Promise(() => {})'],
    ['open', 'export const openBackend = () => new Promise(() => {})'],
  ])('a module that is never %s', async (_, text) => {
    const clock = new SimulatedClock();
    const failing = expect(opened(text, clock)).rejects.toMatchObject({
      code: 'LOSSLESS_REGISTRY_MODULE',
      message: expect.stringContaining('has not opened within 10000 ms'),
    });
    await clock.advance(10_000);
    await failing;
  });
});

test.each([
  ['ESM', 'own.mjs', `export const openBackend = () => ({ ${COMPLETE} })`],
  ['CommonJS', 'own.cjs', `module.exports = { ['openBackend']: () => ({ ${COMPLETE} }) }`],
  ['TypeScript', 'own.mts', `export const openBackend = (_: URL) => ({ ${COMPLETE} })`],
])('a module may be %s', async (_, file, text) => {
  expect(await opened(text, systemClock, file)).toMatchObject({ type: 'own', address: 'there' });
});
