import { execFileSync } from 'node:child_process';

/** A user, network and process namespace of its own; processes in it end with the program that started them. */
const UNSHARE = ['-rnpf', '--mount-proc', '--kill-child'];

/** Why a network namespace is impossible; false when it is possible. */
export function namespaceMissing(): string | false {
  try {
    execFileSync('unshare', [...UNSHARE, 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'no network namespaces (unshare, ip)';
  }
}

/** Arguments of `unshare` that run a command in a namespace with these addresses, because an EndpointSlice takes no loopback address. */
export function inNamespace(addresses: readonly string[], command: readonly string[]): string[] {
  const added = addresses.map((address) => `ip addr add ${address}/32 dev lo && `).join('');
  return [...UNSHARE, 'sh', '-c', `ip link set lo up && ${added}exec "$@"`, 'sh', ...command];
}
