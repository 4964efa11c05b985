import { until } from '../until.ts';
import type { Container } from './container.ts';
import type { Pod } from './objects.ts';
import { type Node, RunningPod } from './running-pod.ts';

/** Interval of its signs of life for the node, in milliseconds, as in the kubelet. */
const LEASE_MS = 10_000;

/** First host of a node's addresses that a pod gets. */
const FIRST_HOST = 2;

const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';

/** Runs the pods of a node as the API describes them, and reports their state to the API. */
export class Kubelet {
  readonly #node: Node;
  /** The addresses of its pods begin with this. */
  readonly #prefix: string;
  readonly #pods = new Map<string, RunningPod>();
  readonly #stop = new AbortController();
  #hosts = FIRST_HOST;

  private constructor(node: Node, prefix: string) {
    this.#node = node;
    this.#prefix = prefix;
  }

  /** Adds the node to the cluster and its network, and follows its pods. */
  static async start(node: Node): Promise<Kubelet> {
    const { address, kubernetes, name, network } = node;
    const path = `/api/v1/nodes/${name}`;
    await kubernetes.write('POST', '/api/v1/nodes', {
      metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' } },
    });
    const now = new Date().toISOString();
    const capacity = { cpu: '8', memory: '16Gi', pods: '110' };
    await kubernetes.write('PATCH', `${path}/status`, {
      status: {
        capacity,
        allocatable: capacity,
        addresses: [{ type: 'InternalIP', address }],
        conditions: [
          { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: now, lastTransitionTime: now },
        ],
      },
    });
    let podCIDR: string | undefined;
    await until(async () => {
      podCIDR = (await kubernetes.read<{ spec: { podCIDR?: string } }>(path)).spec.podCIDR;
      return podCIDR !== undefined;
    });
    const pods = String(podCIDR);
    network.addNode(name, address, pods);
    const kubelet = new Kubelet(node, pods.replace(/\d+\/\d+$/, ''));
    await kubelet.#lease();
    kubernetes.watch<Pod>(`/api/v1/pods?fieldSelector=spec.nodeName%3D${name}`, kubelet.#see, kubelet.#stop.signal);
    return kubelet;
  }

  /** The container of a pod by name, once it runs here. */
  container(pod: string): Container | undefined {
    return this.#pods.get(pod)?.container;
  }

  /** Ends everything at once. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#pods.values()].map((pod) => pod.destroy()));
  }

  readonly #see = (pod: Pod, type: string): void => {
    const { name, deletionGracePeriodSeconds = 0, deletionTimestamp } = pod.metadata;
    if (type === 'DELETED') {
      this.#pods.delete(name);
      return;
    }
    const known = this.#pods.get(name) ?? this.#start(pod);
    if (deletionTimestamp !== undefined) void known.terminate(deletionGracePeriodSeconds * 1_000);
  };

  #start(pod: Pod): RunningPod {
    const { name } = pod.metadata;
    const running = new RunningPod(pod, this.#node, `${this.#prefix}${this.#hosts++}`);
    this.#pods.set(name, running);
    running.start().catch((thrown: Error) => console.error(`the pod ${name} does not start: ${thrown.stack}`));
    return running;
  }

  async #lease(): Promise<void> {
    const { kubernetes, name } = this.#node;
    const spec = () => ({
      holderIdentity: name,
      leaseDurationSeconds: 40,
      renewTime: `${new Date().toISOString().slice(0, -1)}000Z`,
    });
    await kubernetes.write('POST', LEASES, { metadata: { name }, spec: spec() });
    const timer = setInterval(
      () => void kubernetes.call('PATCH', `${LEASES}/${name}`, { spec: spec() }, 'application/merge-patch+json'),
      LEASE_MS,
    );
    this.#stop.signal.addEventListener('abort', () => clearInterval(timer));
  }
}
