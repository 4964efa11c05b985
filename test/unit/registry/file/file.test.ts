import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { sleep, systemClock } from '../../../../src/lifecycle/clock.ts';
import type { Fields } from '../../../../src/log.ts';
import { encodeEntry } from '../../../../src/registry/entry.ts';
import { fileRegistry } from '../../../../src/registry/file/file.ts';
import type { Instance, Registry } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { useChildren } from '../../../support/process/use-children.ts';
import { until } from '../../../support/until.ts';
import { useScratchFolder } from '../../../support/use-scratch-folder.ts';

const UNAVAILABLE = { name: 'LosslessError', code: 'LOSSLESS_REGISTRY_UNAVAILABLE' };
const children = useChildren();
let temporary: string;
let root: string;
let lines: { readonly message: string; readonly fields: Fields | undefined }[];
let opened: Registry[];

beforeEach(() => {
  temporary = useScratchFolder();
  root = join(temporary, 'registry');
  lines = [];
  opened = [];
});
afterEach(async () => {
  await Promise.all(opened.map((registry) => registry.close()));
  vi.unstubAllEnvs();
});

function open(url: URL = pathToFileURL(root)): Registry {
  const log = (_: string, message: string, fields?: Fields): void => void lines.push({ message, fields });
  const registry = fileRegistry(url, { clock: systemClock, log });
  opened.push(registry);
  return registry;
}

/** The default registry, with a temporary directory of this test. */
function openDefault(): Registry {
  vi.stubEnv('TMPDIR', temporary);
  const registry = open(new URL('file:'));
  root = registry.address;
  return registry;
}

/** The one entry file of a service. */
function fileOf(service: string): string {
  const [name = 'none'] = readdirSync(join(root, service)).filter((file) => file.endsWith('.json'));
  return join(root, service, name);
}

/** What every call does when the directory cannot be used. */
async function expectUnavailable(registry: Registry, instance: Instance, because: RegExp): Promise<void> {
  const calls: readonly (() => Promise<unknown>)[] = [
    () => registry.register(instance),
    () => registry.instances(instance.service),
    () => registry.watch(instance.service, () => {}),
  ];
  for (const call of calls) {
    const failure = await call().catch((thrown: Error) => thrown);
    expect(failure).toMatchObject(UNAVAILABLE);
    expect((failure as Error).message).toMatch(because);
  }
}

test('the default is a directory of this user alone, under any umask', async () => {
  const umask = process.umask(0);
  try {
    const registry = openDefault();
    await registry.register(anInstance());
  } finally {
    process.umask(umask);
  }
  expect(root).toBe(join(temporary, `lossless-registry-${process.geteuid?.()}`));
  expect(statSync(root).mode & 0o777).toBe(0o700);
});

test('opening, and reading a missing list, creates no file', async () => {
  const registry = openDefault();
  await registry.instances('a');
  await registry.watch('a', () => {});
  await registry.deregister(anInstance());
  expect(existsSync(root)).toBe(false);
});

test('a default directory that is a link is refused, also when it leads to one of this user', async () => {
  const registry = openDefault();
  mkdirSync(join(temporary, 'mine'), { mode: 0o700 });
  symlinkSync(join(temporary, 'mine'), root);
  await expectUnavailable(registry, anInstance(), /not a directory/);
  expect(readdirSync(join(temporary, 'mine'))).toEqual([]);
});

test('a default directory in which others may write is refused', async () => {
  const registry = openDefault();
  mkdirSync(root);
  chmodSync(root, 0o777);
  await expectUnavailable(registry, anInstance(), /other users may write/);
  chmodSync(root, 0o700);
  await registry.register(anInstance());
});

test.runIf(process.geteuid?.() === 0)('a default directory of another user is refused', async () => {
  const registry = openDefault();
  mkdirSync(root, { mode: 0o700 });
  chownSync(root, 54_321, 54_321);
  await expectUnavailable(registry, anInstance(), /belongs to user 54321/);
  expect(readdirSync(root)).toEqual([]);
});

test('a file where the directory should be', async () => {
  writeFileSync(root, '');
  await expectUnavailable(open(), anInstance(), /ENOTDIR|EEXIST/);
});

test('hostile names stay inside the directory', async () => {
  const registry = open();
  const names = [
    '..',
    '../../escape',
    '/etc/passwd',
    '.hidden',
    'UPPER',
    'upper',
    'nul\0byte',
    'x'.repeat(5_000),
    '~',
    '__proto__',
  ];
  for (const service of names) await registry.register(anInstance({ service, instanceId: service }));
  for (const service of names)
    expect(await registry.instances(service)).toMatchObject([{ service, instanceId: service }]);
  expect(readdirSync(temporary)).toEqual(['registry']);
  expect(readdirSync(root)).toHaveLength(names.length);
  expect(lines).toEqual([]);
});

test('an entry that is too large to be read is not written', async () => {
  const registry = open();
  const instance = anInstance({ metadata: { much: 'x'.repeat(20_000) } });
  await expect(registry.register(instance)).rejects.toMatchObject(UNAVAILABLE);
  expect(await registry.instances(instance.service)).toEqual([]);
});

test('an unreadable entry is skipped with one line in all, and stays', async () => {
  const registry = open();
  const instance = anInstance();
  const { service } = instance;
  await registry.register(instance);
  const copy = readFileSync(fileOf(service));
  const directory = join(root, service);
  writeFileSync(join(directory, 'copy of an entry.json'), copy);
  writeFileSync(join(directory, 'truncated.json'), copy.subarray(0, 60));
  writeFileSync(join(directory, 'oversized.json'), ' '.repeat(20_000));
  writeFileSync(join(directory, 'README'), 'kq7-marker');
  mkdirSync(join(directory, 'directory.json'));
  symlinkSync('/etc/passwd', join(directory, 'link.json'));
  execFileSync('mkfifo', [join(directory, 'pipe.json')]);
  const before = readdirSync(directory);
  for (let i = 0; i < 5; i++) expect(await registry.instances(service)).toEqual([instance]);
  await registry.register(instance);
  expect(readdirSync(directory)).toEqual(before);
  expect(lines.map(({ fields }) => fields?.code)).toEqual(Array(7).fill('LOSSLESS_REGISTRY_CORRUPT'));
  expect(new Set(lines.map(({ message }) => message)).size).toBe(7);
  expect(JSON.stringify(lines)).not.toContain('kq7-marker');
});

test('at most ten thousand files of a service are read, and no further one is added', async () => {
  const registry = open();
  const service = 'crowded';
  mkdirSync(join(root, service), { recursive: true });
  for (let i = 0; i < 10_000; i++) writeFileSync(join(root, service, `${i}.json`), '');
  await expect(registry.register(anInstance({ service }))).rejects.toMatchObject(UNAVAILABLE);
  expect(await registry.instances(service)).toEqual([]);
  expect(readdirSync(join(root, service))).toHaveLength(10_000);
  expect(lines.length).toBeLessThanOrEqual(1_000);
});

test('a registration clears away what dead processes left: entries, and files half written', async () => {
  const registry = open();
  const child = children.run('sleep', ['60']);
  const service = 'swept';
  const [living, dead, here] = [anInstance({ service }), anInstance({ service }), anInstance({ service })];
  await registry.register(dead);
  const text = readFileSync(fileOf(service), 'utf8').replace(
    /"pid":\d+,"started":\d+/,
    `"pid":${child.pid},"started":0`,
  );
  writeFileSync(fileOf(service), text);
  await registry.register(living);
  const files = readdirSync(join(root, service)).length;
  const halfWritten = [`.${child.pid}-0123456789ab`, `.${process.pid}-0123456789ab`];
  for (const name of halfWritten) writeFileSync(join(root, service, name), '{');
  expect(await registry.instances(service)).toHaveLength(2);
  child.signal('SIGKILL');
  await child.ends();
  await registry.close();
  const next = open();
  expect(await next.instances(service)).toEqual([living]);
  await next.register(here);
  const names = readdirSync(join(root, service));
  expect(names).toHaveLength(files + 1);
  expect(names).toContain(halfWritten[1]);
});

test.runIf(process.platform === 'linux')('an entry of an earlier process of the same id is not listed', async () => {
  const registry = open();
  const instance = anInstance();
  await registry.register(instance);
  await registry.close();
  const path = fileOf(instance.service);
  writeFileSync(path, readFileSync(path, 'utf8').replace(/"started":\d+/, '"started":1'));
  expect(await open().instances(instance.service)).toEqual([]);
});

test('own entries that were removed or spoiled are put back; deregistered ones never', async () => {
  const [registry, watching] = [open(), open()];
  const [staying, leaving] = [anInstance({ service: 'mended' }), anInstance({ service: 'mended' })];
  await registry.register(staying);
  await registry.register(leaving);
  const lists: (readonly Instance[])[] = [];
  await watching.watch('mended', (list) => void lists.push(list));
  rmSync(root, { recursive: true });
  await until(async () => (await watching.instances('mended')).length === 2);
  // They come back one after the other; a directory that is missing is no empty list.
  expect(lists.map(({ length }) => length)).not.toContain(0);
  await registry.deregister(leaving);
  await until(() => lists.at(-1)?.length === 1);
  writeFileSync(fileOf('mended'), 'spoiled');
  await until(async () => (await watching.instances('mended')).length === 1);
  expect(readFileSync(fileOf('mended'), 'utf8')).toBe(encodeEntry(staying));
  await until(() => lists.at(-1)?.length === 1);
  rmSync(root, { recursive: true });
  await registry.deregister(staying);
  await until(() => lists.at(-1)?.length === 0);
});

test('R28: a client closed while it registers puts nothing back later', async () => {
  const [closing, other] = [open(), open()];
  const instance = anInstance();
  const registering = closing.register(instance);
  await closing.close();
  await registering;
  expect(await other.instances(instance.service)).toEqual([instance]);
  rmSync(fileOf(instance.service));
  await sleep(systemClock, 1_500);
  expect(await other.instances(instance.service)).toEqual([]);
});

/** Mounts something on the directory, as far as the user who runs the tests may. */
function mounts(...args: readonly string[]): boolean {
  try {
    execFileSync('mount', [...args, root], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

test('a full disk: registration fails, nothing is left half written, others stay listed', async (context) => {
  mkdirSync(root);
  if (!mounts('-t', 'tmpfs', '-o', 'size=4k', 'none')) context.skip('needs the right to mount');
  try {
    const registry = open();
    const [first, second] = [anInstance({ service: 'full' }), anInstance({ service: 'full' })];
    await registry.register(first);
    await expect(registry.register(second)).rejects.toMatchObject({ ...UNAVAILABLE, cause: { code: 'ENOSPC' } });
    await expect(registry.register({ ...first, weight: 1 })).rejects.toMatchObject(UNAVAILABLE);
    expect(await registry.instances('full')).toEqual([first]);
    expect(readdirSync(join(root, 'full'))).toHaveLength(1);
    await registry.deregister(first);
    await registry.register(second);
    expect(await registry.instances('full')).toEqual([second]);
  } finally {
    execFileSync('umount', [root]);
  }
});

test('a read-only disk: registration and deregistration fail, reading and watching go on', async (context) => {
  const registry = open();
  const [first, second] = [anInstance({ service: 'fixed' }), anInstance({ service: 'fixed' })];
  await registry.register(first);
  if (!mounts('--bind', root)) context.skip('needs the right to mount');
  try {
    execFileSync('mount', ['-o', 'remount,ro,bind', root]);
    const lists: (readonly Instance[])[] = [];
    await registry.watch('fixed', (list) => void lists.push(list));
    await expect(registry.register(second)).rejects.toMatchObject({ ...UNAVAILABLE, cause: { code: 'EROFS' } });
    await expect(registry.deregister(first)).rejects.toMatchObject({ ...UNAVAILABLE, cause: { code: 'EROFS' } });
    expect(await registry.instances('fixed')).toEqual([first]);
    expect(lists).toEqual([[first]]);
  } finally {
    execFileSync('umount', [root]);
  }
  await registry.deregister(first);
  expect(await registry.instances('fixed')).toEqual([]);
});

test('an entry is one line of JSON for people who look', async () => {
  const registry = open();
  const instance = anInstance({ service: 'service-b' });
  await registry.register(instance);
  expect(readFileSync(fileOf('service-b'), 'utf8')).toBe(encodeEntry(instance));
});
