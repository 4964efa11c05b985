import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { beforeEach, describe, expect, test } from 'vitest';
import { keysOf } from '../support/keys.ts';
import { lossless } from '../support/process/cli.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { Authority } from '../support/tls/authority.ts';
import { until } from '../support/until.ts';

const world = useWorld();
const SECRET = 'a secret of the fleet';

let authority: Authority;
/** What every instance shows. */
let directory: string;
beforeEach(() => {
  authority = new Authority(join(world().directory, 'authority'));
  directory = authority.issue(join(world().directory, 'tls'));
});

const tls = (more: Record<string, string> = {}) => ({
  LOSSLESS_TLS_DIR: directory,
  LOSSLESS_HOLD_MS: '300',
  ...more,
});

/** A provider and its caller; it leaves when there is a second one. */
async function shutdown(provider: Record<string, string>, consumer: Record<string, string>) {
  const leaving = await world().service('provider', { env: provider });
  const caller = await world().caller('http://provider/echo', 50, { env: consumer });
  await world().service('provider', { env: provider });
  await world().leave(leaving);
  const trace = await world().trace(leaving);
  const goaway = spansOf(trace, 'goaway')[0]?.tags ?? {};
  const counted = await caller.stop();
  return {
    ...{ leaving, caller },
    result: trace.verdict.result,
    goaway: goaway['lossless.goaway.result'],
    error: goaway['error.type'],
    failed: counted.failed,
  };
}

/** Asks a control port, as whom it says. */
async function ask(service: Service, path: string, options: RequestOptions = {}): Promise<number> {
  const port = await world().controlPort(service);
  return new Promise((resolve, reject) => {
    const call = request({ port, host: '127.0.0.1', path, ca: authority.ca, agent: false, ...options }, (response) =>
      resolve(response.resume().statusCode ?? 0),
    );
    call.on('error', reject).end();
  });
}

async function shown(service: Service): Promise<PeerCertificate> {
  const port = await world().controlPort(service);
  const socket: TLSSocket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}

describe('GoAways over TLS', () => {
  test.each([
    ['', {}],
    [', mutual', { LOSSLESS_TLS_CLIENT_AUTH: 'true' }],
    [', mutual, and signed', { LOSSLESS_TLS_CLIENT_AUTH: 'true', LOSSLESS_SECRET: SECRET }],
  ])('reach the consumer and get their answers%s', async (_, more) => {
    const { result, goaway, failed } = await shutdown(tls(more), tls(more));
    expect({ result, goaway, failed }).toEqual({ result: 'success', goaway: 'acked', failed: 0 });
  });

  test('a certificate names the address, also where the provider sees it as IPv4 in IPv6', async () => {
    const leaving = await world().service('provider', { env: tls(), host: '::' });
    const caller = await world().caller('http://provider/echo', 50, { env: tls() });
    await world().service('provider', { env: tls() });
    await world().leave(leaving);
    const trace = await world().trace(leaving);
    expect(spansOf(trace, 'goaway')[0]?.tags).toMatchObject({
      'server.address': '::ffff:127.0.0.1',
      'lossless.goaway.result': 'acked',
    });
    expect(await caller.stop()).toMatchObject({ failed: 0 });
  });

  test('a certificate may have a name of the fleet instead of addresses', async () => {
    authority.issue(directory, 'DNS:control.fleet');
    const env = tls({ LOSSLESS_TLS_NAME: 'control.fleet' });
    expect(await shutdown(env, env)).toMatchObject({ result: 'success', goaway: 'acked', failed: 0 });
  });

  test.each([
    [
      'of an unknown authority',
      () => new Authority(join(world().directory, 'other')),
      'IP:127.0.0.1',
      /SELF_SIGNED|UNABLE_TO/,
    ],
    ['of another address', () => authority, 'IP:192.0.2.1', /ERR_TLS_CERT_ALTNAME_INVALID/],
    ['of another name', () => authority, 'DNS:another', /ERR_TLS_CERT_ALTNAME_INVALID/],
  ])('a consumer with a certificate %s gets no GoAway, and the trace says why', async (_, issuer, names, error) => {
    const theirs = issuer().issue(join(world().directory, 'theirs'), names);
    const told = await shutdown(tls(), tls({ LOSSLESS_TLS_DIR: theirs }));
    expect(told).toMatchObject({ result: 'incomplete', goaway: 'unreachable', failed: 0 });
    expect(told.error).toMatch(error);
  });

  test('a provider without a certificate that mutual TLS asks for is refused', async () => {
    const other = new Authority(join(world().directory, 'other')).issue(join(world().directory, 'theirs'));
    copyFileSync(join(directory, 'ca.crt'), join(other, 'ca.crt'));
    const told = await shutdown(tls({ LOSSLESS_TLS_DIR: other }), tls({ LOSSLESS_TLS_CLIENT_AUTH: 'true' }));
    expect(told).toMatchObject({ result: 'incomplete', goaway: 'rejected', error: '403', failed: 0 });
  });
});

describe('one side speaks TLS and the other one does not', () => {
  test('a consumer with TLS gets no GoAway from a provider without: the log says so at its first call, and the trace', async () => {
    const told = await shutdown({ LOSSLESS_HOLD_MS: '300' }, tls());
    expect(told).toMatchObject({ result: 'incomplete', goaway: 'skipped', error: 'tls_not_configured', failed: 0 });
    expect(
      told.leaving.child.stderr.match(/the control port of caller speaks TLS, so it gets no GoAway/g),
    ).toHaveLength(1);
  });

  test('a provider with TLS tells a consumer without in plain HTTP, and logs that', async () => {
    const told = await shutdown(tls(), {});
    expect(told).toMatchObject({ result: 'success', goaway: 'acked', failed: 0 });
    expect(
      told.leaving.child.stderr.match(/the control port of caller speaks plain HTTP, so GoAways go to it unencrypted/g),
    ).toHaveLength(1);
  });

  test('plain HTTP at a control port with TLS gets no answer, and is logged once', async () => {
    const service = await world().service('provider', { env: tls() });
    const port = await world().controlPort(service);
    for (let n = 0; n < 3; n++) {
      const call = plainRequest({ port, host: '127.0.0.1', path: '/readiness', agent: false });
      call.end();
      await once(call, 'error');
    }
    expect(service.child.stderr.match(/a caller speaks plain HTTP to the control port/g)).toHaveLength(1);
    expect(await ask(service, '/readiness')).toBe(200);
  });
});

describe('a control port with TLS', () => {
  test('answers probes that check nothing and show nothing, also with mutual TLS', async () => {
    const service = await world().service('provider', { env: tls({ LOSSLESS_TLS_CLIENT_AUTH: 'true' }) });
    for (const path of ['/readiness', '/liveness', '/metrics'])
      expect(await ask(service, path, { ca: undefined, rejectUnauthorized: false })).toBe(200);
  });

  test('mutual TLS asks operators and GoAways for a certificate, even with a valid secret', async () => {
    const service = await world().service('provider', {
      env: tls({ LOSSLESS_TLS_CLIENT_AUTH: 'true', LOSSLESS_SECRET: SECRET }),
    });
    const headers = { authorization: `Bearer ${keysOf(SECRET).token}` };
    const files = (from: string) => ({
      cert: readFileSync(join(from, 'tls.crt')),
      key: readFileSync(join(from, 'tls.key')),
    });
    const stranger = new Authority(join(world().directory, 'other')).issue(join(world().directory, 'theirs'));
    for (const path of ['/status', '/offline', '/online'])
      for (const cert of [{}, files(stranger)]) expect(await ask(service, path, { headers, ...cert })).toBe(403);
    expect(await ask(service, '/lossless/goaway', { method: 'POST' })).toBe(403);
    expect(await ask(service, '/status', { headers, ...files(directory) })).toBe(200);
  });

  test('the command speaks TLS too', async () => {
    const more = { LOSSLESS_TLS_CLIENT_AUTH: 'true', LOSSLESS_SECRET: SECRET };
    const service = await world().service('provider', { env: tls(more) });
    const port = String(await world().controlPort(service));
    const run = (env: Record<string, string>) => lossless(['status', '--port', port], env);
    expect((await run({ ...tls(more) })).stdout).toMatch(/^state +/m);
    expect(await run({ LOSSLESS_SECRET: SECRET })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no instance answers'),
    });
    const stranger = new Authority(join(world().directory, 'other')).issue(join(world().directory, 'theirs'));
    expect(await run({ ...more, LOSSLESS_TLS_DIR: stranger })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no instance answers .*certificate/),
    });
  });

  test('keeps no process alive', async () => {
    const service = await world().service('provider', { env: tls() });
    const socket = connect({ port: await world().controlPort(service), host: '127.0.0.1', ca: authority.ca });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    expect(await world().leave(service)).toEqual({ code: null, signal: 'SIGTERM' });
  });
});

describe('certificates are renewed', () => {
  test('without a restart, at both ends; files that do not fit are refused with one line', async () => {
    const env = tls({ LOSSLESS_TLS_CLIENT_AUTH: 'true' });
    const [first, second] = [
      await world().service('provider', { env }),
      await world().service('provider', { env }),
    ] as const;
    await world().service('provider', { env });
    const caller = await world().caller('http://provider/echo', 50, { env });
    const before = (await shown(first)).serialNumber;

    // A key that does not match the certificate.
    const other = authority.issue(join(world().directory, 'next'));
    copyFileSync(join(other, 'tls.key'), join(directory, 'tls.key'));
    await until(async () => {
      expect((await shown(first)).serialNumber).toBe(before);
      return /LOSSLESS_TLS_DIR has changed and cannot be used/.test(first.child.stderr);
    });

    // Everything is new: the authority as well.
    const next = new Authority(join(world().directory, 'authority-2')).issue(directory);
    expect(next).toBe(directory);
    await until(async () => (await shown(first)).serialNumber !== before);
    expect(first.child.stderr.match(/cannot be used/g)).toHaveLength(1);
    for (const leaving of [first, second]) {
      await world().leave(leaving);
      expect((await world().trace(leaving)).verdict).toMatchObject({ result: 'success', planned: 1, acked: 1 });
    }
    expect(await caller.stop()).toMatchObject({ failed: 0 });
  });

  test.each([
    ['tls.crt', 'no certificate'],
    ['tls.key', 'no key'],
    ['ca.crt', ''],
  ])('a bad %s at the start logs one clear line, and the application runs', async (file, text) => {
    writeFileSync(join(directory, file), text);
    const app = world().children.node(new URL('../fixtures/apps/app.ts', import.meta.url), {
      env: world().env('provider', tls({ LOSSLESS_STRICT: 'false' })),
      args: ['http', '5', '0', '127.0.0.1'],
    });
    await app.sees(/listening (\d+)/);
    await app.sees(/LOSSLESS_CONFIG_INVALID: LOSSLESS_TLS_DIR cannot be used/);
  });
});
