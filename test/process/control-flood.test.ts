import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { appPortOf, entered } from '../support/process/announced.ts';
import { ask } from '../support/process/operator.ts';
import { type Service, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();

/** Connections that a stranger keeps open: the stranger opens a cut connection again within two seconds. */
class Flood {
  readonly #sockets = new Set<Socket>();
  readonly #connect: () => Socket;
  readonly #first: string;
  opened = 0;
  #over = false;

  constructor(port: number, from: string, connections: number, first: string) {
    this.#connect = () => connect({ port, host: '127.0.0.1', localAddress: from });
    this.#first = first;
    for (let n = 0; n < connections; n++) this.#open();
  }

  #open(): void {
    const socket = this.#connect();
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('connect', () => {
      this.opened++;
      if (this.#first !== '') socket.write(this.#first);
    });
    socket.resume().on('close', () => {
      this.#sockets.delete(socket);
      if (!this.#over) setTimeout(() => this.#open(), 2_000 * Math.random());
    });
  }

  close(): void {
    this.#over = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}

const floods: Flood[] = [];
afterEach(() => {
  for (const flood of floods.splice(0)) flood.close();
});

/** 1,250 connections that send `first` and nothing more; resolves when all have been there once. */
async function flood(port: number, first: string, from = '127.0.0.1'): Promise<void> {
  const stranger = new Flood(port, from, 1_250, first);
  floods.push(stranger);
  await until(() => stranger.opened >= 1_250);
}

/** One request over its own connection. */
async function isAnswered(port: number, path: string): Promise<boolean> {
  return ask(port, path).then(
    ({ status }) => status === 200,
    () => false,
  );
}

/** As a kubelet counts, the third failure in a row is one: 1,250 others who connect again may fill the queue of the kernel. */
async function isPassed(port: number, path: string): Promise<boolean> {
  for (let attempt = 0; attempt < 3; attempt++) if (await isAnswered(port, path)) return true;
  return false;
}

/** A service that may have `descriptors` open. */
async function limited(descriptors: number): Promise<Service> {
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', APP, 'http', '5', '0', '127.0.0.1'];
  const child = world().children.run('sh', ['-c', `ulimit -n ${descriptors} && exec "$@"`, 'sh', ...node], {
    env: world().env('provider'),
  });
  const port = await appPortOf(child);
  await entered(child, 'warming');
  return { child, port };
}

const APP = new URL('../fixtures/apps/app.ts', import.meta.url).pathname;

describe.each([
  ['say nothing', ''],
  ['begin a request', 'POST /lossless/goaway HTTP/1.1\r\nhost: localhost\r\n'],
  ['begin a body', 'POST /lossless/goaway HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4000\r\n\r\n{'],
  ['read no answers', 'GET /liveness HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(20)],
])('1,250 connections of a stranger that %s', (_, first) => {
  test.each([256, 1_024])(
    'reset no connection of the application, and the port answers probes, with %i descriptors',
    async (n) => {
      const service = await limited(n);
      const control = await world().controlPort(service);
      await flood(control, first);
      const failed = { application: 0, liveness: 0, readiness: 0 };
      for (let turn = 0; turn < 100; turn++) {
        if (!(await isAnswered(service.port, '/echo'))) failed.application++;
        if (turn % 10 > 0) continue;
        if (!(await isPassed(control, '/liveness'))) failed.liveness++;
        if (!(await isPassed(control, '/readiness'))) failed.readiness++;
      }
      expect(failed).toEqual({ application: 0, liveness: 0, readiness: 0 });
    },
  );
});

test('a GoAway gets in while a stranger keeps the port of its consumer busy', async () => {
  const leaving = await world().service('provider');
  await world().service('provider');
  const caller = await world().caller('http://provider/echo', 20);
  await world().called(leaving);
  await flood(await world().controlPort({ ...caller, port: 0 }), '', '127.0.0.9');
  await world().leave(leaving);
  const { verdict } = await world().trace(leaving);
  expect(verdict).toMatchObject({ result: 'success', planned: 1, acked: 1, afterAck: 0 });
  expect(await caller.stop()).toMatchObject({ failed: 0 });
});

test('an idle connection is dropped soon', async () => {
  const service = await world().service('provider');
  const socket = connect(await world().controlPort(service), '127.0.0.1');
  const begun = performance.now();
  await once(socket.resume(), 'close');
  expect(performance.now() - begun).toBeLessThan(8_000);
});
