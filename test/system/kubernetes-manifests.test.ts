import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Manifest, manifestsOf, pathOf } from '../support/kubernetes/manifest.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Kubernetes } from '../support/servers/kubernetes.ts';

const missing = serverMissing('kubernetes', 'etcd');

describe.skipIf(missing)(`a real API server${missing ? ` (${missing})` : ''}`, () => {
  let kubernetes: Kubernetes;
  beforeAll(async () => {
    kubernetes = await Kubernetes.start();
  }, 60_000);
  afterAll(() => kubernetes?.close());

  /** As `kubectl create --dry-run=server --validate=strict` does. */
  const create = (manifest: Manifest) =>
    kubernetes.call('POST', `${pathOf(manifest.kind)}?dryRun=All&fieldValidation=Strict`, manifest);

  test.each(['alone.yaml', 'with-proxy.yaml', 'with-registry.yaml'])('takes %s', async (name) => {
    const manifests = manifestsOf(name);
    expect(manifests.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['Deployment', 'Service']));
    for (const manifest of manifests) {
      const { status, text } = await create(manifest);
      expect(status, text).toBe(201);
    }
  });

  test('refuses a manifest with a field that does not exist', async () => {
    const [deployment] = manifestsOf('alone.yaml');
    if (deployment === undefined) throw new Error('alone.yaml is empty');
    const { status, text } = await create({ ...deployment, spec: { ...deployment.spec, terminationGrace: 1 } });
    expect(status).toBe(400);
    expect(text).toContain('terminationGrace');
  });
});
