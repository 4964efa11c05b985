import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Child } from '../process/child.ts';
import { serverProgram } from '../servers/built.ts';
import { unpacked } from '../servers/unpacked.ts';

/** The machine of the control plane; what goes from one node to another passes it. */
export const CONTROL_PLANE = '172.18.0.1';

/** The gateway of every pod: the end of its cable at the node. */
const GATEWAY = '169.254.1.1';

/** Namespaces for networks, processes and mounts; what runs in them ends with the program that started it. */
const UNSHARE = ['-nmpf', '--mount-proc', '--kill-child'];

/** Arguments of `unshare` that run a command as the machine of the control plane, with no other network. */
export function onControlPlane(command: readonly string[]): string[] {
  const prepare = 'mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && ip link set lo up';
  return [...UNSHARE, 'sh', '-c', `${prepare} && exec "$@"`, 'sh', ...command];
}

/** The nodes of a cluster and its pods as network namespaces, from the machine of the control plane. Each pod has an address of its own. */
export class Network {
  readonly #delay: Child;
  #cables = 0;

  private constructor(delay: Child) {
    this.#delay = delay;
  }

  /** @param delayMs how long a packet takes from node to node, in milliseconds */
  static async open(delayMs: number): Promise<Network> {
    ip('addr', 'add', `${CONTROL_PLANE}/32`, 'dev', 'lo');
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    const delay = new Child(serverProgram('delay'), ['0', `${delayMs * 1_000}`]);
    await delay.sees(/ready/);
    const { command, env } = unpacked('iptables', 'usr/sbin/iptables-nft');
    const rule = ['-A', 'FORWARD', '-p', 'tcp', '-j', 'NFQUEUE', '--queue-num', '0'];
    execFileSync(command, rule, { env: { ...process.env, ...env } });
    return new Network(delay);
  }

  /** @param pods the addresses of its pods, as CIDR */
  addNode(node: string, address: string, pods: string): void {
    const cable = this.#cable();
    ip('netns', 'add', node);
    ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', node);
    ip('link', 'set', cable, 'up');
    ip('route', 'add', `${address}/32`, 'dev', cable, 'src', CONTROL_PLANE);
    ip('route', 'add', pods, 'via', address, 'src', CONTROL_PLANE);
    ip('-n', node, 'link', 'set', 'lo', 'up');
    ip('-n', node, 'addr', 'add', `${address}/32`, 'dev', 'eth0');
    ip('-n', node, 'link', 'set', 'eth0', 'up');
    ip('-n', node, 'route', 'add', `${CONTROL_PLANE}/32`, 'dev', 'eth0', 'src', address);
    ip('-n', node, 'route', 'add', 'default', 'via', CONTROL_PLANE, 'src', address);
    // An address that no pod has is refused at once.
    ip('-n', node, 'route', 'add', 'unreachable', pods);
    ip('netns', 'exec', node, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward');
  }

  addPod(node: string, pod: string, address: string): void {
    const cable = this.#cable();
    ip('netns', 'add', pod);
    ip('-n', node, 'link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod);
    ip('-n', node, 'addr', 'add', `${GATEWAY}/32`, 'dev', cable);
    ip('-n', node, 'link', 'set', cable, 'up');
    ip('-n', node, 'route', 'add', `${address}/32`, 'dev', cable);
    ip('-n', pod, 'link', 'set', 'lo', 'up');
    ip('-n', pod, 'addr', 'add', `${address}/32`, 'dev', 'eth0');
    ip('-n', pod, 'link', 'set', 'eth0', 'up');
    ip('-n', pod, 'route', 'add', `${GATEWAY}/32`, 'dev', 'eth0');
    ip('-n', pod, 'route', 'add', 'default', 'via', GATEWAY);
  }

  /** Its address is nobody's from now on. */
  removePod(pod: string): void {
    ip('netns', 'del', pod);
  }

  /** The network itself ends with the program. */
  close(): Promise<void> {
    return this.#delay.destroy();
  }

  #cable(): string {
    return `cable-${this.#cables++}`;
  }
}

/** A command that runs another one in a network namespace. */
export function inside(namespace: string): readonly string[] {
  return ['nsenter', `--net=/run/netns/${namespace}`];
}

function ip(...parameters: readonly string[]): void {
  execFileSync('ip', parameters, { stdio: ['ignore', 'ignore', 'pipe'] });
}
