import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { entered } from '../support/process/announced.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();
const TAKEN = new URL('../fixtures/apps/taken.ts', import.meta.url);

const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
});

/** A connection, and the bytes that it has received. */
async function connected(port: number) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true });
  socket.on('end', () => socket.end());
  sockets.add(socket);
  socket.setEncoding('utf8').on('error', () => {});
  let text = '';
  socket.on('data', (data) => {
    text += data;
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'connect');
  return { socket, closed, text: () => text };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

describe('a client that pipelines', () => {
  test.each([0, 20])('gets each answer while its instance leaves, with answers that take %i ms', async (workMs) => {
    const service = await world().service('provider', { workMs, env: { LOSSLESS_HOLD_MS: '2000' } });
    const client = await connected(service.port);
    const answers = () => client.text().split('HTTP/1.1 200').length - 1;
    let sent = 0;
    let closes = false;
    const send = (): void => {
      // RFC 9112, section 9.6: after `close` a client sends nothing more there.
      closes ||= /connection: close/i.test(client.text());
      if (closes || client.socket.readableEnded) return;
      sent += 3;
      client.socket.write(get('/echo').repeat(3));
    };
    const timer = setInterval(send, 100);
    await until(() => answers() > 6);
    service.child.signal('SIGTERM');
    await service.child.ends();
    clearInterval(timer);
    await client.closed;
    const { verdict } = await world().trace(service);
    expect(verdict.result).not.toBe('timeout');
    expect(answers()).toBe(sent);
  });

  test('once, and then asks one by one, keeps no instance from leaving', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_HOLD_MS: '2000' } });
    const client = await connected(service.port);
    const answers = () => client.text().split('HTTP/1.1 200').length - 1;
    client.socket.write(get('/echo').repeat(2));
    await until(() => answers() === 2);
    let sent = 2;
    client.socket.on('data', () => {
      if (answers() < sent || /connection: close/i.test(client.text())) return;
      sent++;
      setTimeout(() => client.socket.write(get('/echo')), 20);
    });
    sent++;
    client.socket.write(get('/echo'));
    await until(() => answers() > 10);
    service.child.signal('SIGTERM');
    await service.child.ends();
    await client.closed;
    const { verdict } = await world().trace(service);
    expect(verdict.result).not.toBe('timeout');
    expect(answers()).toBe(sent);
  });
});

describe('an idle connection is closed', () => {
  test.each([
    [0, { result: 'success', problems: [], runbook: null }],
    [
      1,
      {
        result: 'incomplete',
        problems: ['requests came as their idle connections were closed, and got no answer: 1'],
        runbook: 'LosslessRequestsReset',
      },
    ],
  ])('and %i requests come at that moment: %o', async (requests, verdict) => {
    const service = await world().service('provider', { env: { LOSSLESS_HOLD_MS: '300' } });
    const client = await connected(service.port);
    client.socket.write(get('/echo'));
    await until(() => client.text().includes('HTTP/1.1 200'));
    const answered = client.text();
    client.socket.prependListener('end', () => client.socket.write(get('/echo').repeat(requests)));
    await world().leave(service);
    await client.closed;
    expect(client.text()).toBe(answered);
    const trace = await world().trace(service);
    expect(trace.verdict).toMatchObject(verdict);
    expect(spansOf(trace, 'stop')[0]?.tags).toMatchObject({ 'lossless.stop.sockets.crossed': requests });
  });
});

describe('an application that takes a connection from its server', () => {
  test.each(['/hijack', '/detach'])('and answers by itself (%s): the drain waits for the answer', async (path) => {
    const service = await world().service('provider', { file: TAKEN, env: { LOSSLESS_HOLD_MS: '300' } });
    const client = await connected(service.port);
    client.socket.write(get(`${path}?ms=1500`));
    await until(() => client.text().includes('xxx'));
    await world().leave(service);
    await client.closed;
    expect(client.text().match(/x/g)).toHaveLength(2_000);
    const { verdict } = await world().trace(service);
    expect(verdict.result).toBe('success');
  });

  test.each([
    ['CONNECT', 'CONNECT other:80 HTTP/1.1\r\nHost: other\r\n\r\n'],
    ['an upgrade', 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'],
  ])('for %s: the connection stays open until its client ends it, and data on its way arrives', async (_, head) => {
    const service = await world().service('provider', { file: TAKEN, env: { LOSSLESS_HOLD_MS: '300' } });
    const client = await connected(service.port);
    client.socket.write(head);
    await until(() => client.text().endsWith('\r\n\r\n'));
    service.child.signal('SIGTERM');
    await entered(service.child, 'draining');
    for (const part of ['one', 'two', 'three']) {
      client.socket.write(part);
      await until(() => client.text().endsWith(part));
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    client.socket.end('four');
    await service.child.ends();
    await client.closed;
    expect(client.text()).toMatch(/onetwothreefour$/);
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('success');
    expect(spansOf(trace, 'stop')[0]?.tags['lossless.stop.forced']).not.toBe(1);
  });
});
