import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../../src/lifecycle/clock.ts';
import { openRegistry } from '../../../../src/registry/open.ts';
import type { Registry } from '../../../../src/registry/registry.ts';
import { Frames, JuteReader, JuteWriter } from '../../../../src/registry/zookeeper/jute.ts';
import { anInstance } from '../../../support/an-instance.ts';
import { useClosing } from '../../../support/closing.ts';
import { until } from '../../../support/until.ts';
import { useServer } from '../../../support/use-server.ts';

const closing = useClosing();
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A server that answers each frame as `answer` says: after the first one, which begins a session, it is told the xid. */
async function serve(answer: (socket: Socket, xid: number, n: number) => void): Promise<number> {
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    const frames = new Frames();
    let n = 0;
    socket.on('data', (chunk) => {
      for (const record of frames.push(chunk)) answer(socket, new JuteReader(record).int(), n++);
    });
  });
  return useServer(server);
}

const open = (port: number, options = ''): Promise<Registry> =>
  closing(openRegistry(new URL(`zookeeper://127.0.0.1:${port}${options}`), { clock: systemClock, log: () => {} }));

const hello = (timeoutMs = 15_000) =>
  new JuteWriter().int(0).int(timeoutMs).long(7n).bytes(Buffer.alloc(16)).bool(false).frame();
const reply = (xid: number, code: number) => new JuteWriter().int(xid).long(1n).int(code);

const UNAVAILABLE = { name: 'LosslessError', code: 'LOSSLESS_REGISTRY_UNAVAILABLE' };

test('with any answer of the server a call ends, and fails only as the contract says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 5 }), async (answers) => {
      const port = await serve((socket, xid, n) => {
        if (n === 0) return void socket.write(hello());
        const bytes = Buffer.from(answers[n % answers.length] ?? []);
        // Some have the head of a right answer.
        socket.write(n % 2 === 0 ? new JuteWriter().bytes(bytes).frame().subarray(4) : bytes);
        socket.end(Buffer.concat([reply(xid, 0).frame(), bytes]));
      });
      const registry = await openRegistry(new URL(`zookeeper://127.0.0.1:${port}`), {
        clock: systemClock,
        log: () => {},
      });
      for (const call of [
        () => registry.instances('a'),
        () => registry.watch('a', () => {}),
        () => registry.register(anInstance()),
      ])
        await call().catch((thrown: Error) => expect(thrown).toMatchObject(UNAVAILABLE));
      await registry.close();
    }),
    { numRuns: 50 },
  );
});

test('with any greeting of the server a call ends', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 60 }), async (bytes) => {
      const port = await serve((socket) => void socket.end(bytes));
      const registry = await openRegistry(new URL(`zookeeper://127.0.0.1:${port}`), {
        clock: systemClock,
        log: () => {},
      });
      await expect(registry.instances('a')).rejects.toMatchObject(UNAVAILABLE);
      await registry.close();
    }),
    { numRuns: 50 },
  );
});

test('a frame that would never fit is refused before it comes', async () => {
  const port = await serve((socket) => void socket.write(Buffer.of(0x7f, 0xff, 0xff, 0xff, 0)));
  const registry = await open(port);
  await expect(registry.instances('a')).rejects.toThrow(/a frame of 2147483647 bytes/);
  expect(registry.failure?.message).toMatch(/a frame of 2147483647 bytes/);
});

test('a server older than 3.6 is named', async () => {
  const port = await serve((socket, xid, n) => void socket.write(n === 0 ? hello() : reply(xid, -6).frame()));
  const registry = await open(port);
  await expect(registry.watch('a', () => {})).rejects.toThrow(/ZooKeeper 3.6 or later is needed/);
});

test('a server that always calls the session expired is given up', async () => {
  let connections = 0;
  const port = await serve((socket) => {
    connections++;
    socket.end(hello(0));
  });
  const registry = await open(port);
  await expect(registry.instances('a')).rejects.toThrow(/the session has expired/);
  expect(connections).toBeLessThanOrEqual(4);
});

test('a server that says that a node is missing for ever is given up', async () => {
  const port = await serve((socket, xid, n) => void socket.write(n === 0 ? hello() : reply(xid, -101).frame()));
  const registry = await open(port);
  await expect(registry.register(anInstance())).rejects.toThrow(/the node above .* has vanished/);
});

test('a server that does not answer pings has its connection cut, and the log says so', async () => {
  let last: Socket | undefined;
  const port = await serve((socket, xid, n) => {
    last = socket;
    if (n === 0) socket.write(hello(600));
    else if (xid > 0) socket.write(reply(xid, -101).frame());
  });
  const registry = await open(port);
  await registry.register(anInstance()).catch(() => {});
  await until(() => last?.destroyed === true);
  expect(registry.failure?.message).toMatch(/no answer to a ping within 200 ms/);
});

test("connections are made where the application's instrumentation sees nothing", async () => {
  const api = Symbol.for('opentelemetry.js.api.1');
  const suppressed = Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING');
  const { Socket } = process.getBuiltinModule('node:net');
  const connect = Socket.prototype.connect;
  let isHidden = false;
  const seen: boolean[] = [];
  const context = {
    active: () => ({ setValue: (key: symbol, value: unknown) => key === suppressed && value === true }),
    with: (hides: boolean, run: () => unknown) => {
      isHidden = hides;
      try {
        return run();
      } finally {
        isHidden = false;
      }
    },
  };
  const port = await serve((socket, xid, n) => void socket.write(n === 0 ? hello() : reply(xid, -101).frame()));
  try {
    Object.assign(globalThis, { [api]: { context } });
    Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
      seen.push(isHidden);
      return Reflect.apply(connect, this, args);
    } as typeof connect;
    await (await open(port)).instances('a').catch(() => {});
  } finally {
    Socket.prototype.connect = connect;
    Reflect.deleteProperty(globalThis, api);
  }
  expect(seen).toEqual([true]);
});

test.each([
  ['sessionMs=999', /sessionMs to be a whole number from 1000/],
  ['ttlMs=1', /the options ca, cert, key, prefix, server, sessionMs, spring, tls; received ttlMs/],
])('a URL with %s is refused', async (option, expected) => {
  await expect(open(1, `?${option}`)).rejects.toThrow(expected);
});
