import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { controlPortOf } from '../support/process/announced.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { Authority } from '../support/tls/authority.ts';

/** Sidecars that look like those of a mesh from outside: forwarders of ours, because no mesh runs here. */
const world = useWorld();

const SECRET = 'a secret of the fleet';
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Joins two connections; what ends one ends the other. */
function join2(one: Socket, other: Socket): void {
  one.pipe(other).pipe(one);
  for (const [each, peer] of [
    [one, other],
    [other, one],
  ] as const) {
    each.on('error', () => peer.destroy()).on('close', () => peer.destroy());
    closers.push(() => each.destroy());
  }
}

async function listens(server: Server, port: number, host: string): Promise<number> {
  closers.push(() => server.close());
  server.listen(port, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('a sidecar that hides who calls: each connection comes from 127.0.0.6', () => {
  async function shutdown(env: Record<string, string>) {
    let target = 0;
    const inbound = createServer((socket) =>
      join2(socket, connect({ port: target, host: '127.0.0.1', localAddress: '127.0.0.6' })),
    );
    const port = await listens(inbound, 0, '127.0.0.1');
    const leaving = await world().service('provider', {
      env: { LOSSLESS_HOLD_MS: '300', ...env, LOSSLESS_ADVERTISE: `127.0.0.1:${port}` },
    });
    target = leaving.port;
    const caller = await world().caller('http://provider/echo', 50, {
      env: { ...env, LOSSLESS_ADVERTISE: '127.0.0.1' },
    });
    await world().service('provider', { env });
    await world().leave(leaving);
    const trace = await world().trace(leaving);
    const tags = spansOf(trace, 'goaway')[0]?.tags ?? {};
    expect(await caller.stop()).toMatchObject({ failed: 0 });
    return { address: tags['server.address'], goaway: tags['lossless.goaway.result'], acked: trace.verdict.acked };
  }

  test('without a secret GoAways go to that address, where no consumer listens, and fail', async () => {
    expect(await shutdown({})).toMatchObject({ address: '127.0.0.6', acked: 0 });
  });

  test('with a secret, the address that a consumer advertises is believed', async () => {
    expect(await shutdown({ LOSSLESS_SECRET: SECRET })).toEqual({ address: '127.0.0.1', goaway: 'acked', acked: 1 });
  });
});

describe('a sidecar that takes nothing but the TLS of its mesh at the control port', () => {
  let mesh: { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer };
  let own: string;
  beforeEach(() => {
    const authority = new Authority(join(world().directory, 'mesh'));
    const directory = authority.issue(join(world().directory, 'identity'), 'DNS:workload');
    const read = (name: string) => readFileSync(join(directory, name));
    mesh = { cert: read('tls.crt'), key: read('tls.key'), ca: read('ca.crt') };
    own = authority.issue(join(world().directory, 'own'), 'DNS:control.fleet');
  });

  /** In the pod of the consumer. */
  const inbound = (port: number) =>
    listens(
      createTlsServer({ ...mesh, requestCert: true, rejectUnauthorized: true }, (socket) =>
        join2(socket, connect(port, '127.0.0.1')),
      ).on('tlsClientError', () => {}),
      port,
      '127.0.0.7',
    );

  /** A sidecar in the pod of the provider, which carries bytes for 127.0.0.8 to 127.0.0.7. */
  const outbound = (port: number) =>
    listens(
      createServer((socket) => join2(socket, connectTls({ ...mesh, port, host: '127.0.0.7', servername: 'workload' }))),
      port,
      '127.0.0.8',
    );

  async function shutdown(advertised: string, more: Record<string, string> = {}) {
    const env = { LOSSLESS_SECRET: SECRET, LOSSLESS_HOLD_MS: '300', ...more };
    const leaving = await world().service('provider', { env });
    const caller = await world().caller('http://provider/echo', 50, {
      env: { ...env, LOSSLESS_ADVERTISE: advertised },
    });
    await world().service('provider', { env });
    const port = await controlPortOf(caller.child);
    await inbound(port);
    await outbound(port);
    await world().leave(leaving);
    const trace = await world().trace(leaving);
    const tags = spansOf(trace, 'goaway')[0]?.tags ?? {};
    expect(await caller.stop()).toMatchObject({ failed: 0 });
    return { result: trace.verdict.result, goaway: tags['lossless.goaway.result'], error: tags['error.type'] };
  }

  test('a provider that calls it directly is cut off: no request fails, and the trace says why', async () => {
    expect(await shutdown('127.0.0.7')).toEqual({
      result: 'incomplete',
      goaway: 'unreachable',
      error: expect.stringMatching(/ECONNRESET|HPE_INVALID/),
    });
  });

  test('a GoAway through the sidecar of the provider arrives', async () => {
    expect(await shutdown('127.0.0.8')).toMatchObject({ result: 'success', goaway: 'acked' });
  });

  test('the TLS of the plugin passes through that of the mesh', async () => {
    const env = { LOSSLESS_TLS_DIR: own, LOSSLESS_TLS_NAME: 'control.fleet', LOSSLESS_TLS_CLIENT_AUTH: 'true' };
    expect(await shutdown('127.0.0.8', env)).toMatchObject({ result: 'success', goaway: 'acked' });
  });

  test('a GoAway reaches a control port outside of the mesh directly, with the TLS of the plugin', async () => {
    const env = { LOSSLESS_TLS_DIR: own, LOSSLESS_TLS_NAME: 'control.fleet', LOSSLESS_TLS_CLIENT_AUTH: 'true' };
    expect(await shutdown('127.0.0.1', env)).toMatchObject({ result: 'success', goaway: 'acked' });
  });
});
