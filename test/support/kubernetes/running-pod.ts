import { join } from 'node:path';
import type { Kubernetes } from '../servers/kubernetes.ts';
import { Container, type Mount } from './container.ts';
import { imageOf } from './image.ts';
import type { Network } from './network.ts';
import type { ContainerSpec, Pod, Variable } from './objects.ts';
import { probe } from './probe.ts';
import { makeVolumes } from './volumes.ts';

/** What every pod of a node shares. */
export interface Node {
  readonly name: string;
  readonly address: string;
  readonly kubernetes: Kubernetes;
  readonly network: Network;
  /** On a file system in memory. */
  readonly folder: string;
}

/** Where a pod finds the API server; the rules of kube-proxy lead there. */
const API_SERVER = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };

/** A pod that a node runs: its network, volumes, containers and probes, and its reports to the API. */
export class RunningPod {
  readonly #pod: Pod;
  readonly #node: Node;
  readonly #address: string;
  readonly #folder: string;
  readonly #sidecars: Running[] = [];
  readonly #containers: Running[] = [];
  readonly #probes = new AbortController();
  #status: Promise<void> = Promise.resolve();
  #begun: Promise<void> | undefined;
  #ended: Promise<void> | undefined;

  constructor(pod: Pod, node: Node, address: string) {
    this.#pod = pod;
    this.#node = node;
    this.#address = address;
    this.#folder = join(node.folder, pod.metadata.uid);
  }

  /** Its container, once it has been started. */
  get container(): Container | undefined {
    return this.#containers[0]?.container;
  }

  /** Starts what it consists of, native sidecars first; tells the API when one of its containers has ended by itself. */
  start(): Promise<void> {
    this.#begun ??= this.#start();
    return this.#begun;
  }

  /** Ends its containers and then its native sidecars, and tells the API that nothing is left. The first call counts. */
  terminate(graceMs: number): Promise<void> {
    this.#ended ??= this.#terminate(graceMs);
    return this.#ended;
  }

  async destroy(): Promise<void> {
    this.#probes.abort();
    await Promise.all([...this.#containers, ...this.#sidecars].map(({ container }) => container.destroy()));
  }

  async #terminate(graceMs: number): Promise<void> {
    const killAt = performance.now() + graceMs;
    await this.#begun;
    const end = ({ container, spec }: Running): Promise<void> =>
      container.terminate(Math.max(0, killAt - performance.now()), spec.lifecycle?.preStop);
    await Promise.all(this.#containers.map(end));
    this.#probes.abort();
    for (const sidecar of this.#sidecars.toReversed()) await end(sidecar);
    this.#tell('Succeeded');
    await this.#status;
    this.#node.network.removePod(this.#pod.metadata.name);
    const preconditions = { uid: this.#pod.metadata.uid };
    const { status, text } = await this.#node.kubernetes.call('DELETE', this.#path(), {
      gracePeriodSeconds: 0,
      preconditions,
    });
    // The deleter of a pod that has ended already removes it.
    if (status !== 200 && status !== 404) throw new Error(`${this.#path()} cannot be deleted: ${status} ${text}`);
  }

  async #start(): Promise<void> {
    const { kubernetes, name, network } = this.#node;
    const { containers, initContainers = [] } = this.#pod.spec;
    network.addPod(name, this.#pod.metadata.name, this.#address);
    await makeVolumes(this.#pod, kubernetes, join(this.#folder, 'volumes'));
    for (const spec of initContainers) this.#sidecars.push(this.#launch(spec));
    for (const spec of containers) this.#containers.push(this.#launch(spec));
    this.#tell('Running');
    for (const running of [...this.#sidecars, ...this.#containers]) {
      const tell = (isReady: boolean): void => {
        running.isReady = isReady;
        this.#tell('Running');
      };
      void probe(running.spec, this.#address, tell, this.#probes.signal);
    }
    void Promise.all(this.#containers.map(({ container }) => container.ended)).then((all) => {
      if (this.#probes.signal.aborted || this.#ended !== undefined) return;
      const failed = all.some(({ code }) => code !== 0);
      this.#tell(failed ? 'Failed' : 'Succeeded');
      if (failed) console.error(`the pod ${this.#pod.metadata.name} ended\n${this.container?.process.stderr}`);
    });
  }

  #launch(spec: ContainerSpec): Running {
    const { args = [], env = [], image, name, volumeMounts = [] } = spec;
    const mounts = volumeMounts.map(
      ({ mountPath, name: volume, subPath = '' }): Mount => ({
        source: join(this.#folder, 'volumes', volume, subPath),
        path: mountPath,
      }),
    );
    const container = new Container({
      image: imageOf(image),
      args,
      env: { ...API_SERVER, ...Object.fromEntries(env.map((variable) => [variable.name, this.#valueOf(variable)])) },
      mounts,
      pod: this.#pod.metadata.name,
      folder: join(this.#folder, name),
    });
    return { spec, container, isReady: false };
  }

  #valueOf({ name, value = '', valueFrom }: Variable): string {
    if (valueFrom === undefined) return value;
    const fields: Readonly<Record<string, string>> = {
      'metadata.name': this.#pod.metadata.name,
      'metadata.namespace': this.#pod.metadata.namespace,
      'spec.nodeName': this.#node.name,
      'status.podIP': this.#address,
    };
    const field = fields[valueFrom.fieldRef.fieldPath];
    if (field === undefined) throw new Error(`${name}: expected one of ${Object.keys(fields).join(', ')}`);
    return field;
  }

  /** Says how the pod is now, one after the other. */
  #tell(phase: 'Running' | 'Succeeded' | 'Failed'): void {
    const all = [...this.#sidecars, ...this.#containers];
    const isReady = phase === 'Running' && all.every((one) => one.isReady);
    const is = (type: string, holds: boolean) => ({ type, status: holds ? 'True' : 'False' });
    const status = {
      phase,
      hostIP: this.#node.address,
      podIP: this.#address,
      podIPs: [{ ip: this.#address }],
      startTime: new Date().toISOString(),
      conditions: [
        is('PodReadyToStartContainers', true),
        is('Initialized', true),
        is('ContainersReady', isReady),
        is('Ready', isReady),
      ],
    };
    this.#status = this.#status.then(async () => {
      await this.#node.kubernetes.call('PATCH', `${this.#path()}/status`, { status }, STRATEGIC);
    });
  }

  #path(): string {
    const { name, namespace } = this.#pod.metadata;
    return `/api/v1/namespaces/${namespace}/pods/${name}`;
  }
}

interface Running {
  readonly spec: ContainerSpec;
  readonly container: Container;
  isReady: boolean;
}

/** Changes conditions by their type, and leaves the others. */
const STRATEGIC = 'application/strategic-merge-patch+json';
