import { createServer, type ServerResponse } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../../src/lifecycle/clock.ts';
import { openRegistry } from '../../../../src/registry/open.ts';
import { listening } from '../../../support/listening.ts';
import { until } from '../../../support/until.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface Call {
  readonly path: string;
  readonly from: string | undefined;
  readonly response: ServerResponse;
}

/** A member whose every line the test writes, and a watch of `shop`, whose range is empty at revision 10. */
async function watched() {
  const calls: Call[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    calls.push({ path: request.url ?? '', from: JSON.parse(body).create_request?.start_revision, response });
  });
  const port = await listening(server);
  const said: string[] = [];
  const registry = await openRegistry(new URL(`etcd://127.0.0.1:${port}`), {
    clock: systemClock,
    log: (_, message) => said.push(message),
  });
  closing.push(
    () => registry.close(),
    () => server.close().closeAllConnections(),
  );
  let taken = 0;
  const next = async (): Promise<Call> => {
    await until(() => calls.length > taken);
    return calls[taken++] as Call;
  };
  const watching = registry.watch('shop', () => {});
  (await next()).response.end('{"header":{"revision":"10"}}');
  await watching;
  return { registry, next, said };
}

const line = (result: object): string => `${JSON.stringify({ result })}\n`;

test('after changes in parts the watch goes on behind the last part, not at the revision of the store', async () => {
  const { next } = await watched();
  const first = await next();
  expect(first).toMatchObject({ path: '/v3/watch', from: '11' });
  const header = { revision: '2600' };
  const kv = { key: Buffer.from('/microservices/shop/a').toString('base64'), mod_revision: '1000' };
  first.response.end(line({ header, created: true }) + line({ header, events: [{ type: 'DELETE', kv }] }));
  expect(await next()).toMatchObject({ path: '/v3/watch', from: '1001' });
});

test('after compacted changes the watch reads the keys again', async () => {
  const { registry, next, said } = await watched();
  const header = { revision: '60' };
  (await next()).response.write(
    line({ header, created: true }) + line({ header, canceled: true, compact_revision: '50' }),
  );
  const again = await next();
  expect(again.path).toBe('/v3/kv/range');
  expect(registry.failure).toBeUndefined();
  again.response.end('{"header":{"revision":"60"}}');
  expect(await next()).toMatchObject({ path: '/v3/watch', from: '61' });
  expect(said).toEqual([]);
});
