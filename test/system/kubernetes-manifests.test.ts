import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { serverMissing } from '../support/servers/built.ts';
import { Kubernetes, NAMESPACE } from '../support/servers/kubernetes.ts';

const MANIFESTS = resolve(import.meta.dirname, '../../deploy/kubernetes');

/** Where objects of a kind are created. */
const PATHS: Readonly<Record<string, string>> = {
  Deployment: `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`,
  Service: `/api/v1/namespaces/${NAMESPACE}/services`,
};

interface Manifest {
  readonly kind: string;
  readonly spec: object;
}

const missing = serverMissing('kube-apiserver', 'etcd');

describe.skipIf(missing)(`a real API server${missing ? ` (${missing})` : ''}`, () => {
  let kubernetes: Kubernetes;
  beforeAll(async () => {
    kubernetes = await Kubernetes.start();
  }, 60_000);
  afterAll(() => kubernetes?.close());

  /** As `kubectl create --dry-run=server --validate=strict` does. */
  const create = (manifest: Manifest) =>
    kubernetes.call('POST', `${PATHS[manifest.kind]}?dryRun=All&fieldValidation=Strict`, manifest);

  const read = (name: string): readonly Manifest[] =>
    parseAllDocuments(readFileSync(join(MANIFESTS, name), 'utf8')).map((document) => document.toJS());

  test.each(['alone.yaml', 'with-proxy.yaml'])('takes %s', async (name) => {
    const manifests = read(name);
    expect(manifests.map(({ kind }) => kind)).toEqual(['Deployment', 'Service']);
    for (const manifest of manifests) {
      const { status, text } = await create(manifest);
      expect(status, text).toBe(201);
    }
  });

  test('refuses a manifest with a field that does not exist', async () => {
    const [deployment] = read('alone.yaml');
    if (deployment === undefined) throw new Error('alone.yaml is empty');
    const { status, text } = await create({ ...deployment, spec: { ...deployment.spec, terminationGrace: 1 } });
    expect(status).toBe(400);
    expect(text).toContain('terminationGrace');
  });
});
