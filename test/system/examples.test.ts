import { once } from 'node:events';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Admin, Producer, stringSerializers } from '@platformatic/kafka';
import { Queue } from 'bullmq';
import { describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { entered } from '../support/process/announced.ts';
import type { Child } from '../support/process/child.ts';
import { LINE, NODES } from '../support/process/node-lines.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { freePort, serverMissing } from '../support/servers/built.ts';
import { Kafka } from '../support/servers/kafka.ts';
import { Postgres } from '../support/servers/postgres.ts';
import { Redis } from '../support/servers/redis.ts';
import { until } from '../support/until.ts';
import { useStarted } from '../support/use-started.ts';

const world = useWorld();

const folderOf = (path: string): string => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));

/** Starts a program of `examples/` with the plugin. */
function example(file: string, env: Readonly<Record<string, string>>): Child {
  return world().children.node(pathToFileURL(folderOf(file)), { env: world().env(file, env) });
}

/** Leaves by SIGTERM; resolves with the result and its handlers, each with its result. */
async function leave(child: Child): Promise<unknown> {
  child.signal('SIGTERM');
  await child.ends();
  const trace = await world().trace({ child, port: 0 });
  const handlers = spansOf(trace, 'handler').map(({ tags }) => [
    tags['lossless.handler.name'],
    tags['lossless.handler.result'],
  ]);
  return [trace.verdict.result, ...handlers];
}

/** How many lines of its output begin so. */
function said({ stdout }: Child, word: string): number {
  return stdout.split('\n').filter((line) => line.startsWith(word)).length;
}

const noRedis = serverMissing('redis');
if (noRedis) console.warn(`skipped: ${noRedis}`);

describe.skipIf(noRedis)('BullMQ', () => {
  const redis = useStarted(() => Redis.start());

  test('a worker that leaves ends the jobs it has, and another one does the others', async () => {
    const connection = { host: '127.0.0.1', port: redis().port };
    const env = { REDIS_HOST: connection.host, REDIS_PORT: String(connection.port) };
    const queue = new Queue('mail', { connection });
    const [leaving, staying] = [example('bullmq.js', env), example('bullmq.js', env)];
    await queue.addBulk(Array.from({ length: 40 }, (_, n) => ({ name: 'mail', data: n })));
    await leaving.sees(/begun/);
    await staying.sees(/begun/);
    expect(await leave(leaving)).toEqual(['success', ['mail worker', 'done']]);
    expect(said(leaving, 'begun')).toBe(said(leaving, 'sent'));
    await until(async () => (await queue.getCompletedCount()) === 40);
    expect(said(leaving, 'begun') + said(staying, 'begun')).toBe(40);
    expect(await queue.getFailedCount()).toBe(0);
    await queue.close();
  });
});

const noKafka = serverMissing('kafka');
if (noKafka) console.warn(`skipped: ${noKafka}`);

describe.skipIf(noKafka)('Kafka', () => {
  const kafka = useStarted(() => Kafka.start());

  test('a consumer that leaves ends the message it has and commits it: none is read twice', async () => {
    const bootstrapBrokers = [kafka().address];
    const admin = new Admin({ clientId: 'test', bootstrapBrokers });
    await admin.createTopics({ topics: ['mail'], partitions: 1, replicas: 1 });
    const producer = new Producer({ clientId: 'test', bootstrapBrokers, serializers: stringSerializers });
    const messages = Array.from({ length: 12 }, (_, n) => ({ topic: 'mail', value: `mail ${n}` }));
    await producer.send({ messages });
    const env = { KAFKA_BROKER: kafka().address };
    const first = example('kafka.js', env);
    await first.sees(/sent[\s\S]*begun/);
    expect(await leave(first)).toEqual(['success', ['mail consumer', 'done']]);
    expect(said(first, 'begun')).toBe(said(first, 'sent'));
    const second = example('kafka.js', env);
    await until(() => said(first, 'sent') + said(second, 'sent') >= messages.length, 60_000);
    await leave(second);
    const sent = [first, second].flatMap(({ stdout }) => stdout.match(/sent .*/g) ?? []);
    expect(sent.toSorted()).toEqual(messages.map(({ value }) => `sent ${JSON.stringify(value)}`).toSorted());
    await producer.close();
    await admin.close();
  }, 120_000);
});

const noPostgres = serverMissing('postgres');
if (noPostgres) console.warn(`skipped: ${noPostgres}`);

describe.skipIf(noPostgres)('PostgreSQL', () => {
  const postgres = useStarted(() => Postgres.start());

  test('a service that leaves closes its pool after the last request', async () => {
    const port = await freePort();
    const child = example('pg.js', { DATABASE_URL: postgres().url, PORT: String(port) });
    const call = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text();
    await until(async () => (await call().catch(() => '')) === '42\n');
    const calls = Promise.all(Array.from({ length: 50 }, call));
    await new Promise((resolve) => setImmediate(resolve));
    const left = leave(child);
    expect(new Set(await calls)).toEqual(new Set(['42\n']));
    expect(await left).toEqual(['success', ['pool', 'done']]);
  });
});

test('a service with WebSockets asks each client to connect again, and waits for the last one', async () => {
  const port = await freePort();
  const child = example('websocket.js', { PORT: String(port) });
  await until(async () => (await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined))?.ok === true);
  const sockets = Array.from({ length: 20 }, () => new WebSocket(`ws://127.0.0.1:${port}/`));
  await Promise.all(sockets.map((socket) => once(socket, 'open')));
  const codes = Promise.all(sockets.map(async (socket) => (await once(socket, 'close'))[0]));
  expect(await leave(child)).toEqual(['success']);
  expect(new Set(await codes)).toEqual(new Set([1012]));
});

test('an application of Nest ends its streams, its mails and its connection, and then hears the signal', async () => {
  const port = await freePort();
  const child = world().children.run(NODES[LINE], ['--import=tsx', 'main.ts'], {
    cwd: folderOf('nest'),
    env: world().env('nest', { PORT: String(port) }),
  });
  await entered(child, 'warming');
  const ticks = await fetch(`http://127.0.0.1:${port}/ticks`);
  const order = await fetch(`http://127.0.0.1:${port}/orders`, { method: 'POST' });
  expect(await order.text()).toBe('ordered');
  let [seen, left] = ['', undefined as Promise<unknown> | undefined];
  for await (const chunk of ticks.body ?? []) {
    seen += Buffer.from(chunk);
    if (seen.includes('tick 0')) left ??= leave(child);
  }
  expect(await left).toEqual(['success', ['Mails', 'done']]);
  const lines = child.stdout.trim().split('\n');
  expect(lines).toEqual([
    'begun "order 7"',
    'sent "order 7"',
    'connection to the mail server closed',
    'Nest ends by SIGTERM',
  ]);
});
