import { once } from 'node:events';
import { createServer as createHttpServer, type Server, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect, test } from 'vitest';
import { ConnectionLimit } from '../../../src/provider/connection-limit.ts';
import { certificate } from '../../support/certificate.ts';

const WAYS: readonly [string, () => Promise<Server>, (port: number) => Socket][] = [
  ['plain HTTP', async () => createHttpServer(), (port) => connect(port, '127.0.0.1')],
  [
    'TLS',
    async () => createServer(await certificate()),
    (port) => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }),
  ],
];

test.each(WAYS)('%s: who has proved himself stays when others come, until he is answered', async (_, make, open) => {
  const server = await make();
  const limit = new ConnectionLimit(4);
  const kept = Promise.withResolvers<ServerResponse>();
  server.on('connection', (socket: Socket) => limit.admit(socket));
  server.on('request', (request, response) => {
    limit.keep(request.socket, response);
    kept.resolve(response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const proved = open(port);
  proved.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  const response = await kept.promise;
  // Half of four are for one address: each further one costs one that is idle.
  const strangers: Socket[] = [];
  for (let n = 0; n < 6; n++) {
    const stranger = connect(port, '127.0.0.1').on('error', () => {});
    strangers.push(stranger);
    await once(stranger, 'connect');
  }
  await Promise.all(strangers.slice(0, -1).map((stranger) => stranger.closed || once(stranger.resume(), 'close')));
  response.end('answered');
  let text = '';
  proved.on('data', (chunk) => {
    text += chunk;
  });
  while (!text.includes('answered')) await once(proved, 'data');
  expect(text).toMatch(/^HTTP\/1.1 200/);
  for (const socket of [proved, ...strangers]) socket.destroy();
  server.close().closeAllConnections();
});
