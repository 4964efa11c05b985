import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf } from '../support/kubernetes/manifest.ts';
import type { Pod } from '../support/kubernetes/objects.ts';
import type { Kubernetes } from '../support/servers/kubernetes.ts';
import { until } from '../support/until.ts';

/** Longest wait until the cluster is as it should be, in milliseconds. */
const LONGEST_MS = 120_000;

/** How long a drain waits after an eviction that the budget refuses, in milliseconds: as kubectl does. */
const REFUSED_MS = 5_000;

const PODS = `${pathOf('Pod')}?labelSelector=app%3Dorders`;

export const EVENT_NAMES = ['rolling update', 'scale-down', 'eviction', 'node drain'] as const;
export type EventName = (typeof EVENT_NAMES)[number];

/** What happens to an application in a cluster; each resolves when the cluster has done it. */
export const EVENTS: Readonly<Record<EventName, (kubernetes: Kubernetes) => Promise<void>>> = {
  /** As `kubectl rollout restart` does. */
  'rolling update': async (kubernetes) => {
    const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
    await kubernetes.write('PATCH', pathOf('Deployment', 'orders'), {
      spec: { template: { metadata: { annotations } } },
    });
  },
  'scale-down': (kubernetes) => scale(kubernetes, 2),
  eviction: async (kubernetes) => {
    const [pod] = await podsOf(kubernetes);
    if (pod !== undefined) await evict(kubernetes, pod);
  },
  /** As `kubectl drain` does; the node stays cordoned. */
  'node drain': async (kubernetes) => {
    const [first] = await podsOf(kubernetes);
    const node = first?.spec.nodeName ?? '';
    await cordon(kubernetes, node, true);
    for (const pod of await podsOf(kubernetes)) if (pod.spec.nodeName === node) await evict(kubernetes, pod);
  },
};

/** Resolves when every pod of the application is ready and as many as are wanted, and none is leaving. */
export async function settled(kubernetes: Kubernetes): Promise<void> {
  await until(async () => {
    const { metadata, spec, status } = await kubernetes.read<Deployment>(pathOf('Deployment', 'orders'));
    const { availableReplicas = 0, observedGeneration = 0, replicas = 0, updatedReplicas = 0 } = status;
    const pods = await podsOf(kubernetes);
    const counts = [availableReplicas, replicas, updatedReplicas, pods.length];
    const nobodyLeaves = pods.every((pod) => pod.metadata.deletionTimestamp === undefined);
    return (
      nobodyLeaves && observedGeneration >= metadata.generation && counts.every((count) => count === spec.replicas)
    );
  }, LONGEST_MS);
}

/** Makes the cluster as it was before an event. */
export async function restore(kubernetes: Kubernetes): Promise<void> {
  for (const node of ['node-1', 'node-2']) await cordon(kubernetes, node, false);
  await scale(kubernetes, 3);
  await settled(kubernetes);
}

async function scale(kubernetes: Kubernetes, replicas: number): Promise<void> {
  await kubernetes.write('PATCH', `${pathOf('Deployment', 'orders')}/scale`, { spec: { replicas } });
}

async function cordon(kubernetes: Kubernetes, node: string, unschedulable: boolean): Promise<void> {
  await kubernetes.write('PATCH', `/api/v1/nodes/${node}`, { spec: { unschedulable } });
}

/** Asks until the budget allows it. */
async function evict(kubernetes: Kubernetes, { metadata: { name } }: Pod): Promise<void> {
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } };
  for (let left = LONGEST_MS / REFUSED_MS; left > 0; left--) {
    const { status, text } = await kubernetes.call('POST', `${pathOf('Pod', name)}/eviction`, eviction);
    if (status === 201) return;
    if (status !== 429) throw new Error(`the eviction of ${name}: ${status} ${text}`);
    await sleep(REFUSED_MS);
  }
  throw new Error(`the eviction of ${name} is refused`);
}

async function podsOf(kubernetes: Kubernetes): Promise<readonly Pod[]> {
  return (await kubernetes.read<{ items: readonly Pod[] }>(PODS)).items;
}

interface Deployment {
  readonly metadata: { readonly generation: number };
  readonly spec: { readonly replicas: number };
  readonly status: {
    readonly availableReplicas?: number;
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
  };
}
