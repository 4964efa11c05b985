import { execFileSync } from 'node:child_process';
import { networkMissing } from '../entry/network.ts';
import { serverMissing } from '../servers/built.ts';
import { onControlPlane } from './network.ts';

/** Abilities of the kernel that a cluster needs beside a network with a delay. */
const TRIED = `
mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
ip netns add pod && ip link add cable type veth peer name eth0 netns pod
`;

/** Why there can be no cluster here; false when there can. Under LOSSLESS_REQUIRE_SERVERS what is missing fails instead. */
export function clusterMissing(): string | false {
  const missing = serverMissing('kubernetes', 'etcd', 'proxies') || networkMissing();
  if (missing) return missing;
  try {
    execFileSync('unshare', onControlPlane(['sh', '-ec', TRIED]), {
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 30_000,
    });
    return false;
  } catch (thrown) {
    if (process.env['LOSSLESS_REQUIRE_SERVERS']) throw thrown;
    return `no cluster (it takes root, overlayfs and veth): ${(thrown as Error).message.slice(0, 300)}`;
  }
}
