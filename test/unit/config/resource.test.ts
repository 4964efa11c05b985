import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { completeResource, containerOf } from '../../../src/config/resource.ts';
import { VERSION } from '../../../src/version.ts';

const NOTHING = { zone: undefined, version: undefined, pod: undefined };
const ID = '0123456789abcdef'.repeat(4);

describe('the resource of a process', () => {
  test('tells where the process runs and which SDK sends its spans', () => {
    expect(completeResource({}, { zone: 'a', version: '1.2.3', pod: 'cart-0' })).toMatchObject({
      'service.version': '1.2.3',
      'cloud.availability_zone': 'a',
      'host.name': hostname(),
      'k8s.pod.name': 'cart-0',
      'process.pid': String(process.pid),
      'process.runtime.version': process.versions.node,
      'telemetry.sdk.name': 'lossless-lifecycle',
      'telemetry.sdk.version': VERSION,
    });
  });

  test('prefers given values to found ones, and leaves out unknown ones', () => {
    const given = { 'service.version': '9', 'host.name': 'elsewhere', 'deployment.environment': 'test' };
    const resource = completeResource(given, { ...NOTHING, version: '1' });
    expect(resource).toMatchObject({ ...given, 'deployment.environment.name': 'test' });
    expect(Object.keys(resource)).not.toContain('k8s.pod.name');
    expect(Object.keys(resource)).not.toContain('cloud.availability_zone');
  });

  test('a namespace of Kubernetes that is given is the namespace of the service', () => {
    expect(completeResource({ 'k8s.namespace.name': 'shop' }, NOTHING)).toMatchObject({ 'service.namespace': 'shop' });
  });

  test.each([
    [`12:pids:/docker/${ID}\n`, ID],
    [`0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-${ID}.scope\n`, ID],
    [`1 2 254:1 /var/lib/docker/containers/${ID}/hostname /etc/hostname rw - ext4 /dev/vda rw\n`, ID],
    ['9:name=systemd:/\n8:pids:/\n', undefined],
    [`0::/sub/${ID}0\n`, undefined],
  ])('the container id in %j', (text, id) => {
    expect(containerOf(text)).toBe(id);
  });
});

test('the version is that of the package', () => {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  expect(VERSION).toBe((JSON.parse(manifest) as { version: unknown }).version);
});
