import { execFileSync } from 'node:child_process';
import { unpacked } from '../servers/unpacked.ts';

/**
 * Does the work of kube-proxy: each connection to the service goes to one of the targets, by DNAT. Replaces all rules at once; open
 * connections stay.
 *
 * @param service address of this network, and a port
 * @param targets addresses with ports; without any, connections reach nothing
 */
export function routeService(
  service: { readonly host: string; readonly port: number },
  targets: readonly string[],
): void {
  const rules = targets.map((target, n) => {
    const share = (1 / (targets.length - n)).toFixed(5);
    const match = `-d ${service.host}/32 -p tcp --dport ${service.port}`;
    return `-A OUTPUT ${match} -m statistic --mode random --probability ${share} -j DNAT --to-destination ${target}`;
  });
  const { command, env } = unpacked('iptables', 'usr/sbin/iptables-nft-restore');
  const input = ['*nat', ':OUTPUT ACCEPT [0:0]', ...rules, 'COMMIT', ''].join('\n');
  execFileSync(command, { env: { ...process.env, ...env }, input });
}
