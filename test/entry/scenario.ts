import type { Sends } from '../support/entry/http1-load.ts';
import type { Rate } from '../support/entry/load.ts';
import type { Host } from '../support/entry/network.ts';
import type { ProxyName } from '../support/entry/proxies.ts';
import type { Pod } from './pod.ts';

/** The hosts and the balancer, with the addresses of the files in `deploy/`; they are far from each other. */
export const HOSTS = ['10.0.0.11', '10.0.0.12'] as const;
export const BALANCER = '10.0.0.10';
const CLIENTS = '10.0.0.1';

/** Clients call the balancer, and the balancer calls the hosts. */
export const NETWORK: readonly Host[] = [
  { address: BALANCER, from: CLIENTS },
  ...HOSTS.map((address) => ({ address, from: BALANCER })),
];

/** Ports in the files of `deploy/`. */
export const PORTS = { application: 8_080, control: 54_199, entry: 80 } as const;

/**
 * Ports of the proxies beside the applications. They differ, because with the same port in one network each instance would also see
 * the connections of the other one and of the balancer.
 */
export const BESIDE_PORTS = [81, 82] as const;

/** A proxy with a file of `deploy/`. */
export interface Placed {
  readonly proxy: ProxyName;
  readonly file: string;
  /** Replacements for example values of the file. */
  readonly values?: Readonly<Record<string, string>>;
}

/** The work of clients; they call the balancer, or the first host when there is none. */
export type Calls =
  | (Rate & { readonly by: 'http1'; readonly sends: Sends; readonly keepAlive?: boolean })
  | (Rate & { readonly by: 'http2'; readonly isSecure?: true })
  | (Rate & { readonly by: 'websocket' })
  /** Asks the application of each host for `/health`, with this user agent. */
  | { readonly by: 'scrape'; readonly agent?: string; readonly perSecond: number };

/** Two hosts with an application each, what stands in front of them, who calls, and the goal of a release. */
export interface Scenario {
  readonly name: string;
  readonly front?: Placed;
  /** Instead of a front: a service of Kubernetes, whose rules follow a SIGTERM after this time, in milliseconds. */
  readonly serviceLagMs?: number;
  /** One host alone, whose listener belongs to a parent that restarts the application, as systemd does. */
  readonly held?: true;
  /** Each host is a pod: the kubelet ends its application, and then the proxy beside it. */
  readonly pod?: Pod;
  /** A leaving application blocks its event loop for good. */
  readonly hangs?: true;
  /** Protocol of the applications. Default: `http1`. */
  readonly protocol?: 'http2' | 'http2-tls';
  /** A proxy on each host, between the front and the application. */
  readonly beside?: Placed;
  /** Further variables of the applications. `DIRECTORY` stands for the host's own folder, `ENTRY` for the port of the proxy beside it. */
  readonly env?: Readonly<Record<string, string>>;
  readonly calls: readonly Calls[];
  /** Time under load before the first shutdown, in milliseconds. Default: four seconds. */
  readonly beforeMs?: number;
  /** Most loss and time of a shutdown, and the result of its trace when it cannot be lossless. */
  readonly goal: { readonly lost: number; readonly seconds: number; readonly result?: 'killed' };
}
