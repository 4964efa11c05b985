import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { inNamespace, namespaceMissing } from '../support/process/namespace.ts';
import { operator } from '../support/process/operator.ts';
import { useChildren } from '../support/process/use-children.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Kubernetes, NAMESPACE, TOKENS } from '../support/servers/kubernetes.ts';
import { until } from '../support/until.ts';

/** Set in the network namespace that this file makes for itself. */
const INSIDE = 'LOSSLESS_TEST_PODS';

const PODS = ['192.0.2.1', '192.0.2.2'] as const;

const missing = serverMissing('kubernetes', 'etcd') || (process.env[INSIDE] ? false : namespaceMissing());
if (missing) console.warn(`tests of pods are skipped: ${missing}`);

describe.skipIf(missing || process.env[INSIDE])('pods', () => {
  const children = useChildren();

  test('in a network namespace of their own', { timeout: 240_000 }, async () => {
    const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
    const run = [process.execPath, vitest, 'run', import.meta.filename];
    const child = children.run('unshare', inNamespace(PODS, run), {
      env: { [INSIDE]: 'true', ...pick('LOSSLESS_TEST_CACHE', 'XDG_CACHE_HOME') },
    });
    const { code } = await child.ends(230_000);
    expect(code, child.stdout + child.stderr).toBe(0);
    expect(child.stdout).toMatch(/Tests .*3 passed/);
  });
});

describe.skipIf(missing || !process.env[INSIDE])('pods of a Service', () => {
  const world = useWorld();
  let kubernetes: Kubernetes;
  const kubelet = new AbortController();
  beforeAll(async () => {
    kubernetes = await Kubernetes.start();
  });
  afterEach(async () => {
    for (const host of PODS) await kubernetes.deleteSlice(sliceOf(host));
  });
  afterAll(async () => {
    kubelet.abort();
    await kubernetes.close();
  });

  const env = (token: string = TOKENS.reader) => ({
    LOSSLESS_REGISTRY: `kubernetes://127.0.0.1:${kubernetes.port}?ca=${encodeURIComponent(kubernetes.ca)}&namespace=${NAMESPACE}&token=${token}`,
    LOSSLESS_CONTROL_HOST: '0.0.0.0',
    LOSSLESS_HOLD_MS: '500',
  });

  /** Starts a pod: a process, and the probe that makes its endpoint ready as long as `/readiness` answers 200. */
  async function pod(host: string, token?: string): Promise<Service> {
    const service = await world().service('shop', { host, port: 8_080, env: env(token) });
    const probe = `http://${host}:${await world().controlPort(service)}/readiness`;
    const isReady = () =>
      fetch(probe).then(
        ({ status }) => status === 200,
        () => false,
      );
    await until(isReady);
    await kubernetes.putSlice({
      name: sliceOf(host),
      service: 'shop',
      ports: [{ name: 'http', port: 8_080 }],
      endpoints: [{ addresses: [host], conditions: { ready: true }, targetRef: { kind: 'Pod', name: sliceOf(host) } }],
    });
    void until(async () => kubelet.signal.aborted || !(await isReady()), 120_000)
      .then(() => kubernetes.patchConditions(sliceOf(host), { ready: false }))
      .catch(() => {});
    return service;
  }

  test('a pod that is deleted leaves without a failed request, and the slice confirms', async () => {
    const [leaving] = [await pod(PODS[0]), await pod(PODS[1])];
    const caller = await world().caller('http://shop/', 50, { env: env() });
    await world().called(leaving);
    leaving.child.signal('SIGTERM');
    await kubernetes.patchConditions(sliceOf(PODS[0]), { ready: false, serving: true, terminating: true });
    expect(await leaving.child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    const trace = await world().trace(leaving);
    const counted = await caller.stop();
    expect(counted).toMatchObject({ failed: 0, reasons: {} });
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true, planned: 1, acked: 1 });
    expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({
      'lossless.registry.type': 'kubernetes',
      'lossless.deregister.result': 'confirmed',
      'lossless.deregister.listed_after': 1,
    });
    expect(spansOf(trace, 'consumer.refresh')[0]?.tags).toMatchObject({
      'lossless.consumer.addresses': `["${PODS[1]}:8080"]`,
    });
  });

  test('an offline of a pod that stays: its probe takes it off the list', async () => {
    const [leaving] = [await pod(PODS[0]), await pod(PODS[1])];
    const caller = await world().caller('http://shop/', 50, { env: env() });
    await world().called(leaving);
    const { status } = await operator(await world().controlPort(leaving), '/offline', { method: 'POST' });
    expect(status).toBe(202);
    await leaving.child.ends();
    const trace = await world().trace(leaving);
    expect(await caller.stop()).toMatchObject({ failed: 0 });
    expect(trace.verdict).toMatchObject({ result: 'success', planned: 1, acked: 1 });
    expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({ 'lossless.deregister.result': 'confirmed' });
  });

  test('a provider without permissions leaves as safely, with an unconfirmed deregistration', async () => {
    const [leaving] = [await pod(PODS[0], TOKENS.stranger), await pod(PODS[1])];
    const caller = await world().caller('http://shop/', 50, { env: env() });
    await world().called(leaving);
    await world().leave(leaving);
    const trace = await world().trace(leaving);
    expect(await caller.stop()).toMatchObject({ failed: 0 });
    expect(trace.verdict).toMatchObject({ result: 'incomplete', planned: 1, acked: 1 });
    expect(spansOf(trace, 'deregister')[0]?.tags).toMatchObject({ 'lossless.deregister.result': 'unconfirmed' });
  });
});

function sliceOf(host: string): string {
  return `shop-${host.replaceAll('.', '-')}`;
}

function pick(...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
