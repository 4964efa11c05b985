import { createServer, type Server, Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Prebuilt } from '../../../../src/consumer/directory/prebuilt.ts';
import { watchedGuard } from '../../../support/failed-hooks.ts';
import { listening, portOf } from '../../../support/listening.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';
import { until } from '../../../support/until.ts';

let server: Server;
let sockets: Socket[] = [];
beforeEach(async () => {
  sockets = [];
  server = createServer((socket) => sockets.push(socket.on('error', () => {}).resume()));
  await listening(server);
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** The first to arrive, once the server has seen it. */
async function arrived(count: number): Promise<Socket> {
  await until(() => sockets.length === count);
  return sockets[count - 1] as Socket;
}

async function prebuilt() {
  const clock = new SimulatedClock();
  const connection = new Prebuilt({ host: '127.0.0.1', port: portOf(server) }, clock, watchedGuard().guard);
  await connection.open(1_000);
  await arrived(1);
  return { clock, connection };
}

test('is used once, and is an ordinary connection from then on', async () => {
  const { clock, connection } = await prebuilt();
  const socket = connection.take() as Socket;
  expect(connection.take()).toBeUndefined();
  expect(connection.stands).toBe(false);
  expect(['data', 'close', 'error'].map((event) => socket.listenerCount(event))).toEqual([0, 0, 0]);
  expect(clock.pending).toBe(0);
  connection.close();
  expect(socket.destroyed).toBe(false);
  socket.destroy();
});

test('is replaced before a server loses patience, three times', async () => {
  const { clock, connection } = await prebuilt();
  for (const count of [2, 3, 4]) {
    const before = sockets[count - 2] as Socket;
    await clock.advance(15_000);
    await arrived(count);
    await until(() => before.destroyed && connection.stands);
  }
  await clock.advance(15_000);
  await until(() => sockets.every(({ destroyed }) => destroyed));
  await clock.advance(60_000);
  expect(connection.take()).toBeUndefined();
  expect(sockets).toHaveLength(4);
});

test.each([
  ['sends data', (socket: Socket) => void socket.write('HTTP/1.1 408 Request Timeout\r\n\r\n')],
  ['closes the connection', (socket: Socket) => void socket.end()],
  ['cuts the connection', (socket: Socket) => void socket.resetAndDestroy()],
])('is useless when the server %s', async (_, act) => {
  const { connection } = await prebuilt();
  act(await arrived(1));
  await until(() => !connection.stands);
  expect(connection.take()).toBeUndefined();
});

test('a connection that closes while it opens is dropped', async () => {
  const clock = new SimulatedClock();
  const connection = new Prebuilt({ host: '127.0.0.1', port: portOf(server) }, clock, watchedGuard().guard);
  const opening = connection.open(1_000);
  connection.close();
  await opening;
  expect(connection.stands).toBe(false);
  const socket = await arrived(1);
  await until(() => socket.destroyed);
  expect(clock.pending).toBe(0);
});

test('a connection that does not open in time is a failure', async () => {
  const clock = new SimulatedClock();
  const port = portOf(server);
  const connection = new Prebuilt({ host: '127.0.0.1', port, servername: 'provider' }, clock, watchedGuard().guard);
  const opening = connection.open(1_000);
  const failed = expect(opening).rejects.toThrow('aborted');
  const socket = await arrived(1);
  await clock.advance(1_000);
  await failed;
  await until(() => socket.destroyed);
});

test.each([
  ['data', (socket: Socket) => void socket.write('x')],
  ['end', (socket: Socket) => void socket.end()],
  ['close', (socket: Socket) => void socket.resetAndDestroy()],
])('a failure at the event %s is logged', async (_, act) => {
  const { guard, failed } = watchedGuard();
  const port = portOf(server);
  const connection = new Prebuilt({ host: '127.0.0.1', port }, new SimulatedClock(), guard);
  await connection.open(1_000);
  const off = vi.spyOn(Socket.prototype, 'off').mockImplementation(() => {
    throw new Error('spoiled');
  });
  try {
    act(await arrived(1));
    await until(() => failed.length > 0);
  } finally {
    off.mockRestore();
  }
  expect(failed).toEqual(['a connection that stands ready']);
  expect(connection.stands).toBe(false);
});
