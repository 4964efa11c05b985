import { channel } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { Guard } from '../../../../src/guard.ts';
import { Servers } from '../../../../src/provider/registration/servers.ts';
import type { HttpServer } from '../../../../src/provider/traffic/http-server.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

/** The connection of a consumer. */
const CONSUMER = {};

/** The used part of a listening server. */
class FakeServer extends EventEmitter {
  readonly headersTimeout: number | undefined = 1;
  listening = true;
  readonly #bound: object | string;

  constructor(port: number | string, address = '10.0.0.1') {
    super();
    this.#bound = typeof port === 'string' ? port : { port, address, family: 'IPv4' };
  }

  address(): object | string {
    return this.#bound;
  }

  closeIdleConnections(): void {}

  close(): void {
    this.listening = false;
    this.emit('close');
  }
}

class FakeHttp2 extends FakeServer {
  override readonly headersTimeout = undefined;
  updateSettings(): void {}
}

function setUp(...named: readonly number[]) {
  const clock = new SimulatedClock();
  const lines: string[] = [];
  const changes: number[] = [];
  const servers = new Servers({
    clock,
    log: (level, message) => lines.push(`${level} ${message}`),
    guard: new Guard(() => {}),
    isConsumers: (socket) => (socket as unknown) === CONSUMER,
    named,
    onChange: () => changes.push(clock.now()),
  });
  const add = <S extends FakeServer>(server: S): S => {
    servers.add(server as unknown as HttpServer);
    return server;
  };
  const order = () => servers.candidates.map(({ bound }) => (typeof bound === 'string' ? bound : bound.port));
  return { clock, lines, changes, servers, add, order };
}

test('one server is settled after a quarter of a second, a named one at once', async () => {
  const one = setUp();
  one.add(new FakeServer(1));
  await one.clock.advance(249);
  expect(one.changes).toEqual([]);
  await one.clock.advance(1);
  expect(one.changes).toEqual([250]);
  await one.servers.settled;

  const named = setUp(2);
  named.add(new FakeServer(2));
  expect(named.changes).toEqual([0]);
  await named.servers.settled;
});

test('the choice waits for a named port until a server listens there', async () => {
  const { add, changes, clock, order } = setUp(2);
  add(new FakeServer(1));
  await clock.advance(1_499);
  expect(changes).toEqual([]);
  await clock.advance(1);
  expect(changes).toEqual([1_500]);
  expect(order()).toEqual([1]);
  add(new FakeServer(2));
  expect(changes).toEqual([1_500, 1_500]);
  expect(order()).toEqual([2]);
});

test('of servers that begin to listen together the first is preferred, of several starts the last', async () => {
  const { add, clock, lines, order, servers } = setUp();
  add(new FakeServer(1));
  add(new FakeServer(2));
  await clock.advance(40);
  add(new FakeServer(3));
  expect(order()).toEqual([1, 2, 3]);
  await clock.advance(100);
  add(new FakeServer(4));
  add(new FakeServer(5));
  expect(order()).toEqual([4, 5, 1, 2, 3]);
  const [first] = servers.candidates;
  if (first !== undefined) for (let times = 0; times < 2; times++) servers.say(first);
  expect(lines).toEqual([
    expect.stringMatching(
      /^warn several HTTP servers listen: port 4 is taken .* order of listening; not port 1, .*PORT=/,
    ),
  ]);
});

test('a process that blocks between two servers does not tear one start in two', async () => {
  const { add, clock, order } = setUp();
  add(new FakeServer(1));
  clock.stall(5_000);
  add(new FakeServer(2));
  clock.stall(5_000);
  await clock.advance(1);
  add(new FakeServer(3));
  expect(order()).toEqual([1, 2, 3]);
});

test.each([
  ['a port', () => new FakeServer('/tmp/x.sock'), () => new FakeServer(1), [expect.stringMatching(/^info /)]],
  ['HTTP/1.1, which is not the rival of HTTP/2,', () => new FakeHttp2(2), () => new FakeServer(1), []],
  [
    'an address that others reach',
    () => new FakeServer(2, '127.0.0.1'),
    () => new FakeServer(1),
    [expect.stringMatching(/^info /)],
  ],
])('%s goes before the order of listening, and leaves no doubt', async (_, less, more, told) => {
  for (const order of [
    [less, more],
    [more, less],
  ]) {
    const { add, clock, lines, servers } = setUp();
    for (const make of order) {
      add(make());
      await clock.advance(1_000);
    }
    const [first] = servers.candidates;
    expect(first?.bound).toMatchObject({ port: 1 });
    if (first !== undefined) servers.say(first);
    expect(lines).toEqual(told);
  }
});

test('a server that has answered a consumer is kept; an error, and an answer to another caller, prove nothing', async () => {
  const { add, clock, order } = setUp();
  const [helper, app] = [add(new FakeServer(1)), new FakeServer(2)];
  const answers = (server: FakeServer, statusCode: number, socket: object) =>
    channel('http.server.response.finish').publish({
      socket,
      response: { statusCode },
      server,
    });
  answers(helper, 404, CONSUMER);
  answers(helper, 200, {});
  await clock.advance(1_000);
  add(app);
  expect(order()).toEqual([2, 1]);
  answers(app, 200, CONSUMER);
  await clock.advance(1_000);
  add(new FakeServer(3));
  expect(order()).toEqual([2, 3, 1]);
});

test('a server that closes silently is noticed within a quarter of a second, and nothing runs when none is left', async () => {
  const { add, changes, clock, order, servers } = setUp();
  const server = add(new FakeServer(1));
  await clock.advance(1_000);
  const [candidate] = servers.candidates;
  server.listening = false;
  expect(candidate && servers.listens(candidate)).toBe(false);
  await clock.advance(250);
  expect(changes).toEqual([250, 1_250]);
  expect(order()).toEqual([]);
  expect(clock.pending).toBe(0);
});
