import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/lifecycle/clock.ts';
import { encodeEntry } from '../../../../src/registry/nacos/entry.ts';
import { openRegistry } from '../../../../src/registry/open.ts';
import type { Instance } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { listening } from '../../../support/listening.ts';

const listed = (instance: Instance): object => {
  const { ip, port, metadata } = encodeEntry(instance, 15_000);
  return { ip, port: Number(port), healthy: true, weight: 1, metadata: JSON.parse(metadata) as object };
};

test.each([
  ['a newer process that has taken its address over', { instanceId: 'next', generation: 9 }, false],
  ['an older process', { instanceId: 'dead', generation: 1 }, true],
  ['the same process, later', { generation: 9 }, true],
])('a removal when the entry at the address belongs to %s', async (_, other, isRemoved) => {
  const own = anInstance({ service: 'shop', generation: 5 });
  const asked: string[] = [];
  let hosts: readonly object[] = [listed({ ...own, ...other })];
  const server = createServer((request, response) => {
    asked.push(request.method ?? '');
    if (request.method === 'DELETE') hosts = [];
    response.end(JSON.stringify({ code: 0, data: hosts }));
  });
  const port = await listening(server);
  const registry = await openRegistry(new URL(`nacos://127.0.0.1:${port}?push=false`), {
    clock: systemClock,
    log: () => {},
  });
  await registry.deregister(own);
  expect(asked.includes('DELETE')).toBe(isRemoved);
  await registry.close();
  server.close();
});
