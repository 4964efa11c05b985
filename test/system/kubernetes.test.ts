import { afterAll, beforeAll, describe } from 'vitest';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import type { Instance, Registry } from '../../src/registry/registry.ts';
import { testRegistry } from '../contract/registry.ts';
import { serverMissing } from '../support/built.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { Kubernetes, NAMESPACE, TOKENS } from '../support/kubernetes.ts';
import { Pods } from '../support/pods.ts';

const missing = serverMissing('kube-apiserver', 'etcd');
if (missing) console.warn(`Kubernetes tests are skipped: ${missing}`);

describe.skipIf(missing)('a real Kubernetes API', () => {
  let kubernetes: Kubernetes;
  let proxy: FaultProxy;
  beforeAll(async () => {
    kubernetes = await Kubernetes.start();
    proxy = await FaultProxy.start(kubernetes.port, true);
  });
  afterAll(async () => {
    await proxy.close();
    await kubernetes.close();
  });

  const open = (url: string): Promise<Registry> => openRegistry(new URL(url), { clock: systemClock, log: () => {} });
  const proxied = (): string =>
    `kubernetes://127.0.0.1:${proxy.port}?tls=false&namespace=${NAMESPACE}&token=${TOKENS.reader}`;

  const all = new Map<string, Instance>();
  testRegistry('kubernetes', {
    open: async () => new Pods(await open(proxied()), kubernetes, all),
    async breakDown() {
      await proxy.down();
      return () => proxy.up();
    },
    heartbeatMs: 1_000,
  });
});
