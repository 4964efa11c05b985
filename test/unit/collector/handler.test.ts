import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { Handler } from '../../../collector/server/handler.ts';
import { decodeOtlp } from '../../../collector/server/otlp.ts';
import { Store } from '../../../collector/server/store.ts';
import { listening } from '../../support/listening.ts';
import { hex, otlpBody } from '../../support/observe/otlp.ts';

test('answers whose readers have gone before do not count as waiting', async () => {
  const store = new Store({ path: ':memory:', maxAgeMs: 3_600_000, maxBytes: 2 ** 28 });
  const traceId = hex(16);
  const attributes = { text: 'x'.repeat(20 * 2 ** 20) };
  const large = { traceId, spanId: hex(8), work: 'offline', start: Date.now(), durationMs: 1, attributes } as const;
  store.add(decodeOtlp(otlpBody('shop', 'shop-1', [large])).groups);
  const handler = new Handler(store, true);
  let given = 0;
  const server = createServer(async (request, response) => {
    if (request.headers['x-goes'] !== undefined) await once(response, 'close');
    await handler.handle(request, response);
    given++;
  });
  const port = await listening(server);
  // More than may wait to be read.
  for (let n = 1; n <= 8; n++) {
    const socket = connect(port, '127.0.0.1');
    socket.write(`GET /api/traces/${traceId} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-goes: 1\r\n\r\n`);
    await once(server, 'request');
    socket.destroy();
    await expect.poll(() => given).toBe(n);
  }
  const answer = await fetch(`http://127.0.0.1:${port}/api/traces/${traceId}`);
  expect(answer.status).toBe(200);
  await answer.arrayBuffer();
  server.close();
  server.closeAllConnections();
  store.close();
});
