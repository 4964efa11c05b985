import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { Kubernetes, kubernetesProgram, TOKENS } from '../servers/kubernetes.ts';
import { unpacked } from '../servers/unpacked.ts';
import type { Container } from './container.ts';
import { Kubelet } from './kubelet.ts';
import { CONTROL_PLANE, inside, Network } from './network.ts';

const NODES = { 'node-1': '172.18.0.11', 'node-2': '172.18.0.12', clients: '172.18.0.13' } as const;

/** A node for the scheduler, or the node of the clients, which the scheduler does not use. */
export type NodeName = keyof typeof NODES;

const PODS = '10.244.0.0/16';
const SERVICES = '10.96.0.0/16';

export interface ClusterOptions {
  /** How long a packet takes from node to node, in milliseconds. */
  readonly delayMs: number;
  /** Least time between two changes of the rules by a kube-proxy (`--iptables-min-sync-period`), in milliseconds. */
  readonly proxySyncMs: number;
}

/**
 * A cluster on this machine: etcd, API server, controllers and scheduler as they are released, and on each node a kubelet of the
 * tests and a kube-proxy as it is released.
 */
export class Cluster {
  readonly kubernetes: Kubernetes;
  readonly #network: Network;
  readonly #folder: ScratchFolder;
  readonly #programs: Child[] = [];
  readonly #kubelets: Kubelet[] = [];

  private constructor(kubernetes: Kubernetes, network: Network, folder: ScratchFolder) {
    this.kubernetes = kubernetes;
    this.#network = network;
    this.#folder = folder;
  }

  /** In the namespaces of `onControlPlane`. */
  static async start({ delayMs, proxySyncMs }: ClusterOptions): Promise<Cluster> {
    const folder = new ScratchFolder();
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', folder.path]);
    const network = await Network.open(delayMs);
    const addresses = ['--bind-address=0.0.0.0', `--advertise-address=${CONTROL_PLANE}`];
    const kubernetes = await Kubernetes.start([...addresses, `--service-cluster-ip-range=${SERVICES}`]);
    const cluster = new Cluster(kubernetes, network, folder);
    try {
      await cluster.#start(proxySyncMs);
      return cluster;
    } catch (thrown) {
      await cluster.close();
      throw thrown;
    }
  }

  /** The container of a pod by name, once a node runs it. */
  container(pod: string): Container | undefined {
    return this.#kubelets.map((kubelet) => kubelet.container(pod)).find((container) => container !== undefined);
  }

  /** Whether the kube-proxy of a node leads to this URL already, and somebody answers there with 2xx. */
  reaches(node: NodeName, url: string): boolean {
    const [program = '', ...parameters] = [...inside(node), 'curl', '-fsS', '-m', '1', '-o', '/dev/null', url];
    return spawnSync(program, parameters, { stdio: 'ignore' }).status === 0;
  }

  async close(): Promise<void> {
    await Promise.all(this.#kubelets.map((kubelet) => kubelet.close()));
    await Promise.all(this.#programs.map((program) => program.destroy()));
    await this.kubernetes.close();
    await this.#network.close();
    execFileSync('umount', ['-l', this.#folder.path]);
    this.#folder.remove();
  }

  async #start(proxySyncMs: number): Promise<void> {
    const { ca, serviceAccountKey } = this.kubernetes;
    const kubeconfig = this.#kubeconfig();
    const everywhere = [`--kubeconfig=${kubeconfig}`];
    const once = [...everywhere, '--leader-elect=false', '--secure-port=0'];
    this.#run(kubernetesProgram('kube-controller-manager'), [
      ...once,
      '--allocate-node-cidrs=true',
      `--cluster-cidr=${PODS}`,
      `--root-ca-file=${ca}`,
      `--service-account-private-key-file=${serviceAccountKey}`,
    ]);
    this.#run(kubernetesProgram('kube-scheduler'), once);
    for (const [name, address] of Object.entries(NODES)) {
      const { kubernetes } = this;
      const folder = join(this.#folder.path, name);
      this.#kubelets.push(await Kubelet.start({ name, address, kubernetes, network: this.#network, folder }));
      this.#startProxy(name, [...everywhere, `--iptables-min-sync-period=${proxySyncMs}ms`]);
    }
    await this.kubernetes.write('PATCH', '/api/v1/nodes/clients', { spec: { unschedulable: true } });
  }

  #startProxy(node: string, flags: readonly string[]): void {
    const { command, env } = unpacked('iptables', 'usr/sbin/xtables-nft-multi');
    const bin = join(this.#folder.path, 'bin');
    if (this.#kubelets.length === 1) {
      mkdirSync(bin);
      for (const name of ['iptables', 'iptables-save', 'iptables-restore']) symlinkSync(command, join(bin, name));
    }
    const [program = '', ...parameters] = [...inside(node), kubernetesProgram('kube-proxy')];
    const settings = [
      `--hostname-override=${node}`,
      '--proxy-mode=iptables',
      `--cluster-cidr=${PODS}`,
      // Settings of the whole kernel stay as they are.
      '--conntrack-max-per-core=0',
      '--conntrack-tcp-timeout-established=0',
      '--conntrack-tcp-timeout-close-wait=0',
    ];
    this.#run(program, [...parameters, ...settings, ...flags], { ...env, PATH: `${bin}:${process.env['PATH']}` });
  }

  #run(program: string, flags: readonly string[], env: Readonly<Record<string, string>> = {}): void {
    this.#programs.push(new Child(program, flags, { env, cwd: this.#folder.path }));
  }

  /** What the programs of the cluster know of the API server, and prove themselves with. */
  #kubeconfig(): string {
    const path = join(this.#folder.path, 'kubeconfig');
    const { ca, port } = this.kubernetes;
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'it', cluster: { server: `https://${CONTROL_PLANE}:${port}`, 'certificate-authority': ca } }],
      users: [{ name: 'admin', user: { token: TOKENS.admin } }],
      contexts: [{ name: 'it', context: { cluster: 'it', user: 'admin' } }],
      'current-context': 'it',
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  }
}
