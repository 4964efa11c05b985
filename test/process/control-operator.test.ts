import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { type Forwarder, httpForwarder, tcpForwarder } from '../support/fakes/forwarders.ts';
import { lossless } from '../support/process/cli.ts';
import { ask, operator } from '../support/process/operator.ts';
import { type Service, useWorld } from '../support/process/world.ts';

const world = useWorld();

const SECRET = 'a secret of the fleet';

/** An address of this machine that is not loopback. */
const foreign = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

const forwarders: Forwarder[] = [];
afterEach(() => {
  for (const forwarder of forwarders.splice(0)) forwarder.close();
});

function through<T extends Forwarder>(forwarder: T): number {
  forwarders.push(forwarder);
  return forwarder.port;
}

async function stateOf(service: Service): Promise<unknown> {
  return (await operator(await world().controlPort(service), '/liveness')).body['state'];
}

describe('a caller behind a program on this machine does not count as an operator', () => {
  test.skipIf(foreign === undefined)('a sidecar, whatever Host it is given', async () => {
    const service = await world().service('provider', { env: { LOSSLESS_CONTROL_HOST: '::' } });
    const port = await world().controlPort(service);
    for (const from of ['127.0.0.6', undefined]) {
      const sidecar = through(await tcpForwarder(String(foreign), port, from));
      for (const path of ['/offline', '/online', '/status'])
        for (const method of ['GET', 'POST'])
          expect((await ask(sidecar, path, { method, headers: { host: 'localhost' } })).status).toBeGreaterThan(400);
    }
    expect(await stateOf(service)).toBe('warming');
  });

  test.each([
    ['a reverse proxy that names its client', { 'x-forwarded-for': '192.0.2.1', 'x-real-ip': '192.0.2.1' }],
    ['a reverse proxy that names itself', { via: '1.1 proxy' }],
    ['a proxy of a mesh', { 'x-request-id': '4f2f', 'x-envoy-expected-rq-timeout-ms': '15000' }],
  ])('a caller behind %s', async (_, headers) => {
    const service = await world().service('provider');
    const proxy = through(await httpForwarder(await world().controlPort(service), headers));
    for (const path of ['/offline', '/status'])
      expect((await ask(proxy, path, { method: 'POST' })).status).not.toBe(202);
    expect((await ask(proxy, '/status')).status).toBe(403);
    const metrics = await ask(proxy, '/metrics');
    expect(metrics.status).toBe(200);
    expect(metrics.text).toMatch(/lossless_info\{service_version="[\d.]+",service_name="provider"\} 1/);
    expect(metrics.text).not.toContain('instance_id');
    expect(await stateOf(service)).toBe('warming');
  });

  test('a fetch of the application for its own caller', async () => {
    const service = await world().service('provider');
    const port = await world().controlPort(service);
    for (const method of ['GET', 'POST'])
      expect((await fetch(`http://127.0.0.1:${port}/offline`, { method })).status).toBe(403);
    expect((await ask(port, '/offline')).status).toBe(405);
    expect(await stateOf(service)).toBe('warming');
  });
});

test('/metrics and /liveness tell no stranger an instance id or an address', async () => {
  await world().service('provider');
  const caller = await world().caller('http://provider/echo', 20);
  const port = await world().controlPort({ ...caller, port: 0 });
  const { instanceId } = (await operator(port, '/status')).body as { instanceId: string };
  for (const path of ['/metrics', '/liveness', '/readiness', '/nothing', '/offline', '/lossless/goaway']) {
    const text = await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    expect(text).not.toContain(instanceId);
    expect(text).not.toMatch(/address=|127\.0\.0\.1:/);
  }
  const own = await ask(port, '/metrics');
  expect(own.text).toContain(`instance_id="${instanceId}"`);
  expect(own.text).toMatch(/lossless_pick_share\{service="provider",address="127\.0\.0\.1:\d+"/);
});

test('with a secret callers on this machine need it too, and the command has it', async () => {
  const env = { LOSSLESS_SECRET: SECRET };
  const service = await world().service('provider', { env });
  const port = await world().controlPort(service);
  for (const path of ['/offline', '/status']) expect((await ask(port, path, { method: 'POST' })).status).not.toBe(202);
  expect((await operator(port, '/status')).body).toMatchObject({ code: 'LOSSLESS_OPERATOR_UNPROVED' });
  expect((await lossless(['offline'], world().env('provider'))).code).toBe(2);
  expect(await stateOf(service)).toBe('warming');
  expect(await lossless(['offline', '--wait'], world().env('provider', env))).toMatchObject({ code: 0 });
  expect(await service.child.ends()).toEqual({ code: 0, signal: null });
});

describe('two instances on one machine', () => {
  /** Two services, and an environment with the port of the first. */
  async function two() {
    const shop = await world().service('shop', { env: { LOSSLESS_CONTROL_PORT: '0' } });
    const env = { LOSSLESS_CONTROL_PORT: String(await world().controlPort(shop)) };
    const cart = await world().service('cart', { env: { LOSSLESS_CONTROL_PORT: '0' } });
    return { shop, cart, env };
  }

  test('a command in the environment of one ends that one', async () => {
    const { shop, cart, env } = await two();
    expect(await lossless(['offline', '--wait'], world().env('cart', env))).toMatchObject({ code: 0 });
    expect(await cart.child.ends()).toEqual({ code: 0, signal: null });
    expect(await stateOf(shop)).toBe('warming');
    // No instance of that name is left, so the command asks the port, where another instance listens.
    const again = await lossless(['offline', '--wait'], world().env('cart', env));
    expect(again).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^LOSSLESS_OTHER_INSTANCE: .* this is shop /),
    });
    expect(await stateOf(shop)).toBe('warming');
  });

  test('a command that names none of them reaches none, and lists both', async () => {
    const { shop, cart, env } = await two();
    const { LOSSLESS_SERVICE: _, ...nobody } = world().env('', env);
    const refused = await lossless(['offline'], nobody);
    expect(refused.code).toBe(2);
    for (const [name, service] of Object.entries({ shop, cart }))
      expect(refused.stderr).toMatch(new RegExp(`\\n  ${name} .*, port ${await world().controlPort(service)}\\n`));
    expect(await lossless(['status', '--service', 'cart', '--json'], nobody)).toMatchObject({ code: 0 });
    expect([await stateOf(shop), await stateOf(cart)]).toEqual(['warming', 'warming']);
  });

  test('two instances of one service differ by their ids', async () => {
    const shops = [await world().service('shop'), await world().service('shop')] as const;
    const statuses = await Promise.all(
      shops.map(async (shop) => (await operator(await world().controlPort(shop), '/status')).body),
    );
    const instance = String(statuses[1]?.['instanceId']);
    expect((await lossless(['offline'], world().env('shop'))).code).toBe(2);
    expect(await lossless(['offline', '--wait', '--instance', instance], world().env('shop'))).toMatchObject({
      code: 0,
    });
    await shops[1].child.ends();
    expect(await stateOf(shops[0])).toBe('warming');
    // One that was killed is not there any more, though it could not say so.
    const killed = await world().service('shop');
    killed.child.signal('SIGKILL');
    await killed.child.ends();
    const left = JSON.parse((await lossless(['status', '--json'], world().env('shop'))).stdout) as {
      instanceId: string;
    };
    expect(left.instanceId).toBe(statuses[0]?.['instanceId']);
  });

  test('a hook of one at the port of the other changes nothing', async () => {
    const { shop, env } = await two();
    const port = Number(env.LOSSLESS_CONTROL_PORT);
    expect(await operator(port, '/offline?service=cart', { method: 'POST' })).toMatchObject({ status: 421 });
    expect(await operator(port, '/status?service=cart')).toMatchObject({ status: 421 });
    expect(await stateOf(shop)).toBe('warming');
  });
});
