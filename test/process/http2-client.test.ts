import { createServer, type Http2Server } from 'node:http2';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeDraining } from '../../src/protocol/header.ts';
import type { FromConsumer } from '../fixtures/consumer/wire.ts';
import { anInstance } from '../support/an-instance.ts';
import { listening, portOf } from '../support/listening.ts';
import { LINES, type NodeLine } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';
import { freePort } from '../support/servers/built.ts';

const FIXTURE = new URL('../fixtures/consumer/http2.ts', import.meta.url);
const PRELOAD = fileURLToPath(new URL('../fixtures/consumer/preload.ts', import.meta.url));

const children = useChildren();

const GENERATION = 7;

/** Answers its port and the consumer header. `/mark` is marked, `/slow` takes a while. */
async function start(): Promise<Http2Server> {
  const server = createServer((request, response) => {
    const port = portOf(server);
    const marker = encodeDraining({ service: 'shop', instanceId: `i-${port}`, generation: GENERATION });
    const head = request.url === '/mark' ? { 'lossless-draining': marker } : {};
    const answer = (): void => {
      response.writeHead(200, head);
      const { 'lossless-consumer': consumer, 'x-own': own } = request.headers;
      response.end(JSON.stringify({ port, consumer, own }));
    };
    if (request.url === '/slow') setTimeout(answer, 300);
    else answer();
  });
  await listening(server);
  return server;
}

let servers: readonly Http2Server[] = [];
beforeAll(async () => {
  servers = await Promise.all([start(), start()]);
});
afterAll(() => {
  for (const server of servers) server.close();
});

interface Ran<T> {
  readonly came: T;
  /** Codes of the log lines of the plugin. */
  readonly codes: readonly (string | undefined)[];
}

/** What came of a scenario. @param ports of the instances of `shop` */
async function runWith<T>(line: NodeLine, scenario: string, url: string, ports: readonly number[]): Promise<Ran<T>> {
  const shop = ports.map((port) =>
    anInstance({ service: 'shop', instanceId: `i-${port}`, generation: GENERATION, port, registeredAt: 0 }),
  );
  const child = children.node(FIXTURE, {
    line,
    nodeArgs: ['--import', PRELOAD],
    args: [scenario, url, 'http://shop'],
    env: { FIXTURE_LISTS: JSON.stringify({ shop }) },
    ipc: true,
  });
  const codes: (string | undefined)[] = [];
  child.process.on('message', (message: FromConsumer) => {
    if (message.type === 'log') codes.push(message.code);
  });
  await child.ends();
  expect(child.stderr).toBe('');
  return { came: JSON.parse(child.stdout) as T, codes };
}

/** The same where both servers are instances. */
async function run(line: NodeLine, scenario: string, url: string): Promise<Record<string, Answer>> {
  return (await runWith<Record<string, Answer>>(line, scenario, url, servers.map(portOf))).came;
}

type Answer = { readonly port: number; readonly consumer?: string; readonly own?: string };

const consumer = expect.stringContaining('"service-a"');

describe.each(LINES)('a session of node:http2 on Node.js %s', (line) => {
  const ports = (): readonly number[] => servers.map(portOf);

  test('to the name of a service leads to one instance, and its requests carry the consumer header', async () => {
    const { first, second } = await run(line, 'twice', 'http://shop');
    expect(ports()).toContain(first?.port);
    expect(first).toEqual({ port: first?.port, consumer });
    expect(second).toEqual(first);
  });

  test('carries the header from the first request on, which waits for the list', async () => {
    const { first, copied } = await run(line, 'atOnce', 'http://shop');
    expect(first).toEqual({ port: first?.port, consumer });
    expect(copied).toEqual({ port: first?.port, consumer, own: 'yes' });
  });

  test('leads to the next instance while connections are refused', async () => {
    const dead = await freePort();
    const ports = servers.map(portOf);
    const { came, codes } = await runWith<number[]>(line, 'several', 'http://shop', [dead, ...ports]);
    expect(came).toHaveLength(6);
    expect(new Set(came)).toEqual(new Set(ports));
    expect(codes).toEqual([]);
  });

  test('fails with the error of the last instance when none takes it, with one log line', async () => {
    const dead = [await freePort(), await freePort()];
    const { came, codes } = await runWith<string[]>(line, 'several', 'http://shop', dead);
    expect(came).toEqual(Array.from({ length: 6 }, () => 'ECONNREFUSED'));
    expect(codes).toEqual(['LOSSLESS_SESSION_REFUSED']);
  });

  test('that is made with promisify leads to an instance too', async () => {
    const { first } = await run(line, 'promised', 'http://shop');
    expect(first).toEqual({ port: first?.port, consumer });
  });

  test('to the address of a listed instance carries the header too', async () => {
    const [port] = ports();
    const { first, copied } = await run(line, 'queued', `http://127.0.0.1:${port}`);
    expect(first).toEqual({ port, consumer });
    expect(copied).toEqual({ port, consumer, own: 'yes' });
  });

  test.each(['http://shop', 'listed'])(
    'to %s carries the header when the listener of the application asks for the session',
    async (to) => {
      const [port] = ports();
      const { first } = await run(line, 'listened', to === 'listed' ? `http://127.0.0.1:${port}` : to);
      expect(first).toEqual({ port: expect.any(Number), consumer });
    },
  );

  test('leads where its options say, under the name of a service too', async () => {
    const [port] = ports();
    const answers = await run(line, 'directed', `http://shop:${port}`);
    expect(answers).toEqual(Array.from({ length: 4 }, () => ({ port, consumer })));
  });

  test('to any other server keeps the headers of the application', async () => {
    const server = await start();
    const port = portOf(server);
    const { first, copied } = await run(line, 'queued', `http://127.0.0.1:${port}`);
    server.close();
    expect(first).toEqual({ port });
    expect(copied).toEqual({ port, consumer: 'somebody', own: 'yes' });
  });

  test('never passes on a consumer header that the application has copied', async () => {
    const { byName, asList } = await run(line, 'copied', 'http://shop');
    expect(byName).toEqual({ port: expect.any(Number), consumer });
    expect(asList).toEqual(byName);
  });

  test('ends its open streams when its instance marks a response, and the next session leads elsewhere', async () => {
    const { marked, open, next, closed } = await run(line, 'marked', 'http://shop');
    expect(open?.port).toBe(marked?.port);
    expect(next?.port).not.toBe(marked?.port);
    expect(ports()).toContain(next?.port);
    expect(closed).toBe(true);
  });
});
