import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { sleepSync, systemClock } from '../../../../src/lifecycle/clock.ts';
import { OwnSources } from '../../../../src/provider/offline/own-sources.ts';
import { seal } from '../../../../src/provider/offline/seal.ts';
import { stopListening } from '../../../../src/provider/offline/stop.ts';
import { portOf } from '../../../support/listening.ts';
import { useScratchFolder } from '../../../support/use-scratch-folder.ts';

const SEAL = new URL('../../../../src/provider/offline/seal.ts', import.meta.url).href;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(where: object): Promise<Server> {
  const server = createServer((socket) => void socket.on('error', () => {}));
  servers.push(server);
  server.listen(where);
  await once(server, 'listening');
  return server;
}

/** A client that prints `connected`, and then the reason for which its connection or its attempt ends. */
const CLIENT = `
  const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1');
  socket.on('connect', () => { console.log('connected'); if (process.argv[2] === 'leave') process.exit(); });
  socket.on('error', ({ code }) => console.log(code)).on('end', () => console.log('end'));`;

/** A client that connects in this turn of the event loop. */
function connectNow(server: Server): string {
  return String(spawnSync(process.execPath, ['-e', CLIENT, `${portOf(server)}`, 'leave']).stdout);
}

/** Seals in this turn. */
async function sealed(queues: readonly Server[]): Promise<void> {
  while ((await seal(queues, systemClock, new OwnSources())) !== 'sealed')
    await new Promise((resolve) => setImmediate(resolve));
}

describe.runIf(process.platform === 'linux')('a sealed accept queue', () => {
  test.each([['127.0.0.1'], ['0.0.0.0'], ['::']])(
    'takes nobody: who connects to %s is refused after the close, never reset',
    async (host) => {
      const server = await listen({ port: 0, host });
      await sealed([server]);
      const client = spawn(process.execPath, ['-e', CLIENT, `${portOf(server)}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      client.stdout.on('data', (text) => {
        said += text;
      });
      // The client connects within this turn.
      sleepSync(500);
      stopListening({ servers: [server as never] });
      await once(client, 'close');
      expect(said).toBe('ECONNREFUSED\n');
    },
  );

  test('several servers are sealed at once', async () => {
    const both = [await listen({ port: 0, host: '127.0.0.1' }), await listen({ port: 0, host: '127.0.0.1' })];
    await sealed(both);
    stopListening({ servers: both as never });
  });

  test('is opened again for a client that has come before', async () => {
    const server = await listen({ port: 0, host: '127.0.0.1' });
    let accepted = 0;
    server.on('connection', () => accepted++);
    expect(connectNow(server)).toBe('connected\n');
    expect(await seal([server], systemClock, new OwnSources())).toBe('client');
    // More than the shortest queue takes, without a turn of the event loop.
    expect([connectNow(server), connectNow(server), connectNow(server)]).toEqual(Array(3).fill('connected\n'));
    await expect.poll(() => accepted).toBeGreaterThanOrEqual(4);
    await expect.poll(() => seal([server], systemClock, new OwnSources())).toBe('sealed');
  });
});

describe('a queue is left alone', () => {
  test('of a Unix socket', async () => {
    const server = await listen({ path: join(useScratchFolder(), 'app.sock') });
    expect(await seal([server], systemClock, new OwnSources())).toBe('cannot');
  });

  test('of a socket that the process was given', async () => {
    const server = await listen({ port: 0, host: '127.0.0.1' });
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
    const given = `
      import { createServer } from 'node:net';
      import { seal } from ${JSON.stringify(SEAL)};
      const server = createServer().listen({ fd: 3 }, async () => {
        console.log(await seal([server]));
        process.exit();
      });`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', given], {
      stdio: ['ignore', 'pipe', 'inherit', fd],
    });
    expect(String(stdout)).toBe('cannot\n');
    expect([connectNow(server), connectNow(server), connectNow(server)]).toEqual(Array(3).fill('connected\n'));
  });
});
