import { execFileSync } from 'node:child_process';
import { Child } from '../process/child.ts';
import { serverMissing, serverProgram } from '../servers/built.ts';
import { unpacked } from '../servers/unpacked.ts';

/** Far addresses: each packet to one of them is delayed. 127.0.0.0/8 is near. */
const FAR = '10.0.0.0/24';

/** Namespaces for networks, processes and mounts; processes in them end with the program that started them. Runs as root, because nginx changes its user. */
const UNSHARE = ['-npf', '--mount-proc', '--kill-child'];

/** Arguments of `unshare` that run a command in its own network namespace, with loopback alone. */
export function inNetwork(command: readonly string[]): string[] {
  return [...UNSHARE, 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...command];
}

/** Why a network with a delay is impossible; false when it is possible. Under LOSSLESS_REQUIRE_SERVERS a missing part fails the test instead. */
export function networkMissing(): string | false {
  const missing = serverMissing('delay', 'iptables');
  if (missing) return missing;
  const { command, env } = iptables();
  const script = `${command} ${ruleOf(FAR).join(' ')} && exec ${serverProgram('delay')} 0 1`;
  try {
    execFileSync('unshare', inNetwork(['sh', '-c', script]), {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 30_000,
    });
    return false;
  } catch (thrown) {
    if (process.env['LOSSLESS_REQUIRE_SERVERS']) throw thrown;
    return `no network with a delay (it takes root, unshare, and NFQUEUE in the kernel): ${(thrown as Error).message.slice(0, 300)}`;
  }
}

/** A far address of this network, and the source address of connections to it. */
export interface Host {
  /** An address of 10.0.0.0/24. */
  readonly address: string;
  readonly from: string;
}

/**
 * Adds far hosts to this process's network, and delays each packet to one of them.
 *
 * @param delayMs delay of one way, in milliseconds; a round trip or a refusal takes twice as long
 */
export async function addHosts(hosts: readonly Host[], delayMs: number): Promise<Child> {
  const ip = (command: string): void => void execFileSync('ip', command.split(' '));
  const addresses = new Set(hosts.flatMap(({ address, from }) => [address, from]));
  for (const address of addresses) ip(`addr add ${address}/32 dev lo`);
  for (const { address, from } of hosts)
    ip(`route change table local local ${address} dev lo proto kernel scope host src ${from}`);
  const delay = new Child(serverProgram('delay'), ['0', `${Math.round(delayMs * 1_000)}`]);
  await delay.sees(/ready/);
  const { command, env } = iptables();
  const rules = [...[...addresses].map(nearRuleOf), ruleOf(FAR)];
  for (const rule of rules) execFileSync(command, rule, { env: { ...process.env, ...env } });
  return delay;
}

function iptables() {
  return unpacked('iptables', 'usr/sbin/iptables-nft');
}

/** A host is near itself. */
function nearRuleOf(address: string): string[] {
  return ['-A', 'OUTPUT', '-p', 'tcp', '-s', address, '-d', address, '-j', 'ACCEPT'];
}

function ruleOf(addresses: string): string[] {
  return ['-A', 'OUTPUT', '-p', 'tcp', '-d', addresses, '-j', 'NFQUEUE', '--queue-num', '0'];
}
