import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { answer, type Control, type ControlOptions, listen } from '../../../src/control/control-server.ts';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { Operators } from '../../../src/protocol/operator.ts';
import { watchedGuard } from '../../support/failed-hooks.ts';
import { keysOf } from '../../support/keys.ts';
import { type Asking, operator } from '../../support/process/operator.ts';

const KEYS = keysOf('a secret of the fleet');
const OPERATORS = new Operators(KEYS, systemClock);
const controls: Control[] = [];
afterEach(() => {
  for (const control of controls.splice(0)) control.close();
});

/** A control server with one route that changes state, one that does not and one that is open. */
async function start(more: Partial<ControlOptions> = {}) {
  let times = 0;
  const control = await listen({
    guard: watchedGuard().guard,
    host: '127.0.0.1',
    port: 0,
    operators: undefined,
    tls: undefined,
    identity: () => ({ service: 'shop', instanceId: 'shop-1', generation: 1 }),
    isFixed: false,
    changesByGet: false,
    routes: {
      '/change': {
        methods: ['GET', 'POST'],
        access: 'operator',
        changes: true,
        parameters: ['wait'],
        handle: (_, response) => answer(response, 200, { times: ++times }),
      },
      '/look': { methods: ['GET'], access: 'operator', handle: (_, response) => answer(response, 200, {}) },
      '/open': {
        methods: ['GET'],
        access: 'open',
        handle: (_, response, { isOperator }) => answer(response, 200, { isOperator }),
      },
      '/fails': {
        methods: ['GET'],
        access: 'open',
        handle: () => {
          throw new Error('/a/path of ours');
        },
      },
    },
    ...more,
  });
  controls.push(control);
  const ask = (path: string, asking: Asking = {}) => operator(control.port, path, { method: 'POST', ...asking });
  return { ask, port: control.port, changed: () => times };
}

describe('without a secret an operator is a program on this machine', () => {
  test.each(['127.0.0.1', '127.9.9.9:1', 'localhost', 'LOCALHOST:54199', 'localhost.', '[::1]:54199'])(
    'that names %s',
    async (host) => {
      const { ask } = await start();
      expect(await ask('/change', { headers: { host } })).toEqual({ status: 200, body: { times: 1 } });
      expect((await ask('/open', { method: 'GET', headers: { host } })).body).toEqual({ isOperator: true });
    },
  );

  test.each([
    ['another host', { host: 'attacker.example' }],
    ['another host that begins like loopback', { host: '127.0.0.1.attacker.example' }],
    ['another address', { host: '10.0.0.1' }],
    ['a proxy', { forwarded: 'for=192.0.2.1' }],
    ['a proxy', { via: '1.1 proxy' }],
    ['a proxy', { 'x-forwarded-for': '192.0.2.1' }],
    ['a proxy that says little', { 'x-forwarded-for': '' }],
    ['a proxy', { 'X-Forwarded-Proto': 'https' }],
    ['a proxy', { 'x-real-ip': '192.0.2.1' }],
    ['a sidecar', { 'x-request-id': 'a' }],
    ['a sidecar', { 'x-envoy-attempt-count': '1' }],
    ['a content network', { 'cf-connecting-ip': '192.0.2.1' }],
    ['a content network', { 'true-client-ip': '192.0.2.1' }],
    ['a load balancer', { 'x-amzn-trace-id': 'Root=1' }],
    ['a page', { origin: 'http://127.0.0.1' }],
    ['a page with an opaque origin', { origin: 'null' }],
    ['a link', { referer: 'http://attacker.example/' }],
    ['an image', { 'sec-fetch-site': 'cross-site' }],
    ['an address that a user typed', { 'sec-fetch-site': 'none' }],
    ['a fetch of this application', { 'sec-fetch-mode': 'cors' }],
    ['a prefetch', { 'sec-purpose': 'prefetch' }],
    ['a prefetch', { purpose: 'prefetch' }],
    ['a browser', { 'sec-gpc': '1' }],
  ])('%s is no operator: %j', async (_, headers) => {
    const { ask, changed } = await start();
    const { status, body } = await ask('/change', { headers });
    expect({ status, body }).toMatchObject({ status: 403, body: { code: 'LOSSLESS_OPERATOR_UNPROVED' } });
    expect(await ask('/look', { method: 'GET', headers })).toMatchObject({ status: 403 });
    expect((await ask('/open', { method: 'GET', headers })).body).toEqual({ isOperator: false });
    expect(JSON.stringify(body)).not.toContain('shop');
    expect(changed()).toBe(0);
  });

  test('nor is a proxy that speaks HTTP/1.0 and names the host it was given', async () => {
    const { port, changed } = await start();
    const socket = connect(port, '127.0.0.1');
    socket.write(`POST /change HTTP/1.0\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1\.1 403 /);
    expect(changed()).toBe(0);
  });

  test('nor is a program that connects from the address of a sidecar', async () => {
    const { port, changed } = await start();
    const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.6' });
    socket.write('POST /change HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1\.1 403 /);
    expect(changed()).toBe(0);
  });
});

describe('with a secret an operator is its holder', () => {
  test('here and through a proxy, and no other caller', async () => {
    const { ask } = await start({ operators: OPERATORS });
    const authorization = `Bearer ${KEYS.token}`;
    const proxied = { host: 'control.example', 'x-forwarded-for': '192.0.2.1', origin: 'https://console.example' };
    expect((await ask('/change')).status).toBe(403);
    expect((await ask('/change', { headers: { authorization: 'Bearer another' } })).status).toBe(403);
    expect((await ask('/open', { method: 'GET' })).body).toEqual({ isOperator: false });
    expect((await ask('/change', { headers: { authorization } })).status).toBe(200);
    expect((await ask('/change', { headers: { authorization, ...proxied } })).status).toBe(200);
  });
});

describe('GET changes nothing', () => {
  test('but says what to write instead', async () => {
    const { ask, changed } = await start();
    const { status, body } = await ask('/change?wait=true', { method: 'GET' });
    expect(status).toBe(405);
    expect(body['message']).toMatch(/expected POST: use `lossless offline`.*LOSSLESS_CONTROL_GET=true/);
    expect(changed()).toBe(0);
  });

  test('unless it carries the token, or a switch allows it', async () => {
    const headers = { authorization: `Bearer ${KEYS.token}` };
    const known = await start({ operators: OPERATORS });
    expect((await known.ask('/change', { method: 'GET', headers })).status).toBe(200);
    const allowed = await start({ changesByGet: true });
    expect((await allowed.ask('/change', { method: 'GET' })).status).toBe(200);
    expect((await allowed.ask('/change', { method: 'GET', headers: { 'sec-fetch-mode': 'cors' } })).status).toBe(403);
  });
});

describe('a request can name the instance that it means', () => {
  test.each(['', '?service=shop', '?instance=shop-1', '?service=shop&instance=shop-1&wait=true'])(
    'this instance accepts the query "%s"',
    async (query) => {
      const { ask } = await start();
      expect((await ask(`/change${query}`)).status).toBe(200);
    },
  );

  test.each([
    '?service=cart',
    '?service=',
    '?service=Shop',
    '?instance=shop-2',
    '?service=shop&instance=shop-2',
    '?service=shop&service=cart',
  ])('another instance refuses the query "%s"', async (query) => {
    const { ask, changed } = await start();
    const { status, body } = await ask(`/change${query}`);
    expect(status).toBe(421);
    expect(body).toEqual({
      code: 'LOSSLESS_OTHER_INSTANCE',
      message: 'the call names another instance; this is shop shop-1',
    });
    expect(changed()).toBe(0);
  });

  test('a misspelt parameter is refused', async () => {
    const { ask, changed } = await start();
    expect(await ask('/change?servcie=cart')).toMatchObject({ status: 400 });
    expect(changed()).toBe(0);
  });

  test('a stranger does not learn which instance is here', async () => {
    const { ask } = await start();
    const { status, body } = await ask('/change?service=cart', { headers: { via: '1.1 proxy' } });
    expect(status).toBe(403);
    expect(JSON.stringify(body)).not.toContain('shop');
  });
});

test('only an operator learns why something failed', async () => {
  const { ask } = await start();
  expect((await ask('/fails', { method: 'GET' })).body).toEqual({ message: '/a/path of ours' });
  expect(await ask('/fails', { method: 'GET', headers: { via: '1.1 proxy' } })).toEqual({
    status: 500,
    body: { message: 'it failed' },
  });
});
