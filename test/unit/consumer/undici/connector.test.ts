import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import { connectPlain } from '../../../../src/consumer/undici/connector.ts';
import { listening } from '../../../support/listening.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

const to = (port: number) => ({ protocol: 'http:', hostname: '127.0.0.1', port: String(port) });
const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

test('a plain connection is given once, also when it fails later', async () => {
  const server = createServer((socket) => socket.resume());
  const port = await listening(server);
  const done = vi.fn();
  const socket = connectPlain(new SimulatedClock(), to(port), done);
  await once(socket, 'connect');
  expect(done.mock.calls).toEqual([[null, socket]]);
  socket.destroy(new Error('later'));
  await closed(socket);
  expect(done).toHaveBeenCalledTimes(1);
  server.close();
  await once(server, 'close');
  const refused = connectPlain(new SimulatedClock(), to(port), done);
  await closed(refused);
  expect(done).toHaveBeenLastCalledWith(expect.objectContaining({ code: 'ECONNREFUSED' }), null);
});

test('a plain connection that does not stand after ten seconds ends with the error of undici', async () => {
  const clock = new SimulatedClock();
  const given = new Promise<[Error | null, Socket | null]>((resolve) => {
    connectPlain(clock, to(1), (...result) => resolve(result));
    clock.advance(10_000);
  });
  expect(await given).toEqual([expect.objectContaining({ code: 'UND_ERR_CONNECT_TIMEOUT' }), null]);
});
