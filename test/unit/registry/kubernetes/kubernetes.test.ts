import { createServer, type ServerResponse } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../../src/lifecycle/clock.ts';
import { openRegistry } from '../../../../src/registry/open.ts';
import type { Instance, Registry } from '../../../../src/registry/registry.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { listening } from '../../../support/listening.ts';
import { pause, until } from '../../../support/until.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** An API server whose every line the test writes: its unanswered calls, in their order. */
async function subject() {
  const paths: string[] = [];
  const open: ServerResponse[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    open.push(response);
  });
  const port = await listening(server);
  const registry: Registry = await openRegistry(
    new URL(`kubernetes://127.0.0.1:${port}?tls=false&namespace=shop&token=t`),
    { clock: systemClock, log: () => {} },
  );
  closing.push(
    () => registry.close(),
    () => server.close().closeAllConnections(),
  );
  const next = async (): Promise<ServerResponse> => {
    await until(() => open.length > 0);
    return open.shift() as ServerResponse;
  };
  return { registry, paths, next };
}

const slice = (host: string, resourceVersion: string): object => ({
  metadata: { name: 's', resourceVersion },
  ports: [{ port: 80 }],
  endpoints: [{ addresses: [host] }],
});
const line = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;
const versionOf = (path: string | undefined): string | null =>
  new URL(`http://x${path}`).searchParams.get('resourceVersion');

test('a watch goes on from the last event or bookmark, and lists again after an ERROR', async () => {
  const { registry, paths, next } = await subject();
  const hosts: (string | undefined)[] = [];
  const watching = registry.watch('shop', (list: readonly Instance[]) => hosts.push(list[0]?.host));
  (await next()).end(JSON.stringify({ metadata: { resourceVersion: '10' }, items: [slice('192.0.2.1', '9')] }));
  await watching;
  expect(hosts).toEqual(['192.0.2.1']);
  (await next()).end(
    line('MODIFIED', slice('192.0.2.2', '11')) + line('BOOKMARK', { metadata: { resourceVersion: '15' } }),
  );
  const resumed = await next();
  expect(versionOf(paths[1])).toBe('10');
  expect(versionOf(paths[2])).toBe('15');
  expect(hosts).toEqual(['192.0.2.1', '192.0.2.2']);
  resumed.end(line('ERROR', { code: 410, message: 'too old resource version' }));
  (await next()).end(JSON.stringify({ metadata: { resourceVersion: '20' }, items: [] }));
  await next();
  expect(versionOf(paths[3])).toBeNull();
  expect(versionOf(paths[4])).toBe('20');
  expect(hosts).toEqual(['192.0.2.1', '192.0.2.2', undefined]);
});

test('invalid events and lists are failures, and the last list stays', async () => {
  const { registry, paths, next } = await subject();
  const hosts: (string | undefined)[] = [];
  const watching = registry.watch('shop', (list: readonly Instance[]) => hosts.push(list[0]?.host));
  (await next()).end(JSON.stringify({ metadata: { resourceVersion: '10' }, items: [slice('192.0.2.1', '9')] }));
  await watching;
  (await next()).end(line('ADDED', { metadata: {} }));
  (await next()).end('null');
  (await next()).end('{"items":{}}');
  (await next()).end(JSON.stringify({ metadata: { resourceVersion: '12' }, items: [slice('192.0.2.1', '9')] }));
  await next();
  expect(versionOf(paths.at(-1))).toBe('12');
  expect(hosts).toEqual(['192.0.2.1']);
});

test('a deregistration waits until the endpoint has left, even when a look fails, but not without permission to look', async () => {
  const { registry, paths, next } = await subject();
  const own = anInstance({ service: 'shop', host: '192.0.2.1', port: 80 });
  const left = registry.deregister(own);
  (await next()).writeHead(429).end('too many requests');
  (await next()).end(JSON.stringify({ metadata: {}, items: [slice('192.0.2.1', '9')] }));
  (await next()).end(JSON.stringify({ metadata: {}, items: [] }));
  await left;
  expect(paths).toHaveLength(3);
  const refused = registry.deregister(own);
  (await next()).writeHead(403).end('forbidden');
  await refused;
  expect(paths).toHaveLength(4);
});

test('a watch whose first list comes after the close is refused and asks nothing more', async () => {
  const { registry, paths, next } = await subject();
  const refused = expect(registry.watch('shop', () => {})).rejects.toThrow('it was ended before its first list');
  const first = await next();
  await registry.close();
  first.end(JSON.stringify({ metadata: { resourceVersion: '10' }, items: [slice('192.0.2.1', '9')] }));
  await refused;
  await pause(100);
  expect(paths.filter((path) => path.includes('watch='))).toHaveLength(0);
});
