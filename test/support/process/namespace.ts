import { execFileSync } from 'node:child_process';

/** A user, network and process namespace of its own; what runs in it ends with the program that started it. */
const UNSHARE = ['-rnpf', '--mount-proc', '--kill-child'];

/** Why there can be no network namespace; false when there can. */
export function namespaceMissing(): string | false {
  try {
    execFileSync('unshare', [...UNSHARE, 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'no network namespaces (unshare, ip)';
  }
}

/** Arguments of `unshare` that run a command where these addresses are this machine's: an EndpointSlice takes no loopback address. */
export function inNamespace(addresses: readonly string[], command: readonly string[]): string[] {
  const added = addresses.map((address) => `ip addr add ${address}/32 dev lo && `).join('');
  return [...UNSHARE, 'sh', '-c', `ip link set lo up && ${added}exec "$@"`, 'sh', ...command];
}
