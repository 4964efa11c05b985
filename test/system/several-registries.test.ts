import { describe, expect, test } from 'vitest';
import { listed } from '../contract/services.ts';
import { appPortOf } from '../support/process/announced.ts';
import { operator } from '../support/process/operator.ts';
import { spansOf, useWorld } from '../support/process/world.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Consul } from '../support/servers/consul.ts';
import { Etcd } from '../support/servers/etcd.ts';
import { useStarted } from '../support/use-started.ts';

const missing = serverMissing('consul', 'etcd');
if (missing) console.warn(`tests of two registries at once are skipped: ${missing}`);

const world = useWorld();

const TIMEOUT = { timeout: 180_000 };

describe.skipIf(missing)('a migration from consul to etcd', () => {
  const consul = useStarted(() => Consul.start());
  const etcd = useStarted(() => Etcd.start());
  const of = (registry: string) => ({ env: { LOSSLESS_REGISTRY: registry } });

  test('old, both, new: no request fails while consumers and providers move', TIMEOUT, async () => {
    const both = `${consul().url},${etcd().url}`;
    const old = await world().service('moving', of(consul().url));
    const callers = [
      await world().caller('http://moving/', 20, { name: 'caller-old', ...of(consul().url) }),
      await world().caller('http://moving/', 20, { name: 'caller-both', ...of(both) }),
    ];
    const middle = await world().service('moving', of(both));
    expect((await listed(consul().url, 'moving')).map(({ port }) => port).sort()).toEqual(
      [old.port, middle.port].sort(),
    );
    expect((await listed(etcd().url, 'moving')).map(({ port }) => port)).toEqual([middle.port]);
    callers.push(await world().caller('http://moving/', 20, { name: 'caller-new', ...of(etcd().url) }));
    await world().leave(old);
    const next = await world().service('moving', of(both));
    await world().leave(middle);
    for (const url of [consul().url, etcd().url])
      expect((await listed(url, 'moving')).map(({ port }) => port)).toEqual([next.port]);
    const trace = await world().trace(middle);
    for (const caller of callers) expect(await caller.stop()).toMatchObject({ failed: 0 });
    expect(trace.verdict).toMatchObject({ whole: true, planned: 3, acked: 3 });
    expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({
      'lossless.registry.type': 'consul,etcd',
      'lossless.deregister.result': 'confirmed',
      'lossless.deregister.listed_after': 1,
    });
    await world().leave(next);
  });

  test('one of the two is down: the instance leaves the other, and the worse result wins', TIMEOUT, async () => {
    const service = await world().service('torn', of(`${consul().url},${etcd().url}`));
    await consul().stop();
    await world().leave(service);
    expect(await listed(etcd().url, 'torn')).toEqual([]);
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('incomplete');
    expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({ 'lossless.deregister.result': 'failed' });
    await consul().start();
  });
});

describe.skipIf(missing)('a wrong token', () => {
  test('the service serves and is not ready, the log says so, and the token appears nowhere', TIMEOUT, async () => {
    const management = '11111111-2222-3333-4444-555555555555';
    const token = '99999999-aaaa-bbbb-cccc-dddddddddddd';
    const acl = {
      enabled: true,
      default_policy: 'deny',
      tokens: { initial_management: management, agent: management },
    };
    const consul = await Consul.start({ config: { acl }, token: management });
    const child = world().children.node(new URL('../fixtures/apps/app.ts', import.meta.url), {
      args: ['http', '5', '0', '127.0.0.1'],
      env: world().env('denied', { LOSSLESS_REGISTRY: `${consul.url}?token=${token}`, LOSSLESS_HOLD_MS: '500' }),
    });
    const port = await appPortOf(child);
    await child.sees(/the registry refuses these credentials \(403\)/);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
    const control = await world().controlPort({ child, port: port });
    expect((await fetch(`http://127.0.0.1:${control}/readiness`)).status).toBe(503);
    const { body } = await operator(control, '/status');
    const status = JSON.stringify(body);
    expect(status).toContain('the registry refuses these credentials (403)');
    child.signal('SIGTERM');
    await child.ends();
    const trace = await world().trace({ child, port: port });
    expect(trace.verdict.result).toBe('incomplete');
    expect(status + child.stdout + child.stderr + JSON.stringify(trace)).not.toContain('99999999');
    await consul.close();
  });
});
