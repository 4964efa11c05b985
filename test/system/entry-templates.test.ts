import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { template } from '../../src/cli/demo/template.ts';
import { faultsOf, type ProxyName, serversOf } from '../support/entry/proxies.ts';
import { manifestsOf, podSpecOf } from '../support/kubernetes/manifest.ts';
import { serverMissing } from '../support/servers/built.ts';

/** Which programs must take which template. */
const TEMPLATES: readonly (readonly [ProxyName, string])[] = [
  ['nginx', 'nginx-beside.conf'],
  ['nginx-mainline', 'nginx-beside.conf'],
  ['nginx', 'nginx-front.conf'],
  ['nginx-mainline', 'nginx-front.conf'],
  ['haproxy', 'haproxy-beside.cfg'],
  ['haproxy', 'haproxy-front.cfg'],
  ['haproxy', 'haproxy-front-tcp.cfg'],
  ['caddy', 'Caddyfile'],
  ['envoy', 'envoy-front.yaml'],
];

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lossless-template-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the templates of deploy/', () => {
  for (const [proxy, name] of TEMPLATES) {
    const missing = serverMissing(...serversOf(proxy));
    it.skipIf(missing)(`${proxy} takes ${name}${missing ? ` (${missing})` : ''}`, async () => {
      expect(await faultsOf(proxy, template(name), directory)).toBe('');
    });
  }

  const missing = serverMissing(...serversOf('haproxy'));
  it.skipIf(missing)('a template with a fault is told', async () => {
    const text = template('haproxy-front.cfg', { 'mode http': 'mode htpp' });
    expect(await faultsOf('haproxy', text, directory)).toMatch(/htpp/);
  });
});

describe('the manifests of deploy/kubernetes', () => {
  for (const name of ['alone.yaml', 'with-proxy.yaml', 'with-registry.yaml'])
    it(`${name} gives a pod 5 s more than the grace period`, () => {
      const { containers, terminationGracePeriodSeconds } = podSpecOf(manifestsOf(name));
      const grace = containers[0]?.env?.find((variable) => variable.name === 'LOSSLESS_GRACE_PERIOD_MS')?.value;
      expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(Number(grace) / 1_000 + 5);
    });
});
