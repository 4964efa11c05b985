import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { openRegistry } from '../../../src/registry/open.ts';
import type { Registry } from '../../../src/registry/registry.ts';

const open = (url: string): Promise<Registry> => openRegistry(new URL(url), { clock: systemClock, log: () => {} });

test.each(['polaris://user:hidden@127.0.0.1:8090/x', 'constructor:x', 'toString:', 'http://user:hidden@host/'])(
  '%s has no adapter; the message names the adapters and no credentials',
  async (url) => {
    const failure = await open(url).catch((thrown: Error) => thrown);
    expect(failure).toMatchObject({ name: 'LosslessError', code: 'LOSSLESS_REGISTRY_URL' });
    expect((failure as Error).message).toMatch(/file: or memory:/);
    expect((failure as Error).message).not.toMatch(/hidden|user/);
  },
);

test('Nacos sends no lists over TLS, and tokens not without', async () => {
  await expect(open('nacos://127.0.0.1?tls=true&push=true')).rejects.toMatchObject({ code: 'LOSSLESS_REGISTRY_URL' });
});

test.each(['file://host/path', 'file:///a%2Fb'])('%s is not a path on this machine', async (url) => {
  await expect(open(url)).rejects.toMatchObject({ code: 'LOSSLESS_REGISTRY_URL' });
});

test.each([
  ['file:', `${tmpdir()}/lossless-registry-${process.geteuid?.()}`],
  ['file:///', `${tmpdir()}/lossless-registry-${process.geteuid?.()}`],
  ['file:///var/run/a%20b', '/var/run/a b'],
  ['memory:', ''],
  ['memory:name', 'name'],
  ['memory://user:hidden@host/name', '/name'],
])('%s has the address %j', async (url, address) => {
  const registry = await open(url);
  expect(registry.address).toBe(address);
  expect(registry.type).toBe(url.split(':')[0]);
  await registry.close();
});
