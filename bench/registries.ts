import { fileURLToPath, pathToFileURL } from 'node:url';
import { systemClock } from '../src/lifecycle/clock.ts';
import { openRegistry } from '../src/registry/open.ts';
import { anInstance } from '../test/support/an-instance.ts';
import { Child } from '../test/support/process/child.ts';
import { CLI } from '../test/support/process/cli.ts';
import { inNamespace } from '../test/support/process/namespace.ts';
import { ScratchFolder } from '../test/support/scratch-folder.ts';
import { Consul } from '../test/support/servers/consul.ts';
import { Etcd } from '../test/support/servers/etcd.ts';
import { Eureka } from '../test/support/servers/eureka.ts';
import { Kubernetes, TOKENS } from '../test/support/servers/kubernetes.ts';
import { Nacos } from '../test/support/servers/nacos.ts';
import { ZooKeeperServer } from '../test/support/servers/zookeeper.ts';
import { pause } from '../test/support/until.ts';
import { tell } from './fanout.ts';
import { POD_ADDRESS } from './pods.ts';
import { type Benchmark, ms, quantile, type Row } from './row.ts';

const CONSUMERS = 20;
const REMOVALS = 3;
const DEMO_S = 30;

const PODS = fileURLToPath(new URL('pods.ts', import.meta.url));

interface Server {
  readonly url: string;
  close(): Promise<void>;
}

interface Setting {
  readonly what: string;
  readonly start: () => Promise<Server>;
  /** Options of the URL. */
  readonly options?: string;
}

const SETTINGS: readonly Setting[] = [
  { what: '`file:`', start: startFile },
  { what: 'Consul', start: () => Consul.start() },
  { what: 'etcd', start: () => Etcd.start() },
  { what: 'ZooKeeper', start: () => ZooKeeperServer.start() },
  { what: 'Nacos 3.1, push', start: () => Nacos.start('3.1') },
  { what: 'Nacos 3.1, push, `pushTaskDelay=50`', start: () => Nacos.start('3.1', { fast: true }) },
  { what: 'Nacos 2.5, push', start: () => Nacos.start('2.5') },
  { what: 'Nacos 2.5, polled', start: () => Nacos.start('2.5'), options: '?push=false' },
  { what: 'Eureka, no read-only cache, `pollMs=500`', start: () => Eureka.start(), options: '?pollMs=500' },
  { what: 'Eureka', start: () => Eureka.start({ isFast: false }) },
];

async function startFile(): Promise<Server> {
  const directory = new ScratchFolder();
  const close = async (): Promise<void> => directory.remove();
  return { url: pathToFileURL(directory.path).href, close };
}

/** Milliseconds from a removal until the last consumer has a list without the instance. */
async function lags(
  url: string,
  add: () => Promise<unknown>,
  remove: () => Promise<unknown>,
  service: string,
): Promise<readonly number[]> {
  const context = { clock: systemClock, log: () => {} };
  const consumers = await Promise.all(Array.from({ length: CONSUMERS }, () => openRegistry(new URL(url), context)));
  const listed = consumers.map(() => false);
  let last = 0;
  await Promise.all(
    consumers.map((consumer, n) =>
      consumer.watch(service, (list) => {
        listed[n] = list.length > 0;
        last = performance.now();
      }),
    ),
  );
  const taken: number[] = [];
  for (let n = 0; n < REMOVALS; n++) {
    await add();
    while (!listed.every(Boolean)) await pause(5);
    // A random wait, because some registries make lists at fixed times, and removals must not follow those.
    await pause(Math.random() * 3_000);
    const begun = performance.now();
    await remove();
    while (listed.some(Boolean)) await pause(5);
    taken.push(last - begun);
  }
  await Promise.all(consumers.map((consumer) => consumer.close()));
  return taken;
}

async function lagsOf(url: string): Promise<readonly number[]> {
  const provider = await openRegistry(new URL(url), { clock: systemClock, log: () => {} });
  const instance = anInstance();
  try {
    return await lags(
      url,
      () => provider.register(instance),
      () => provider.deregister(instance),
      instance.service,
    );
  } finally {
    await provider.close();
  }
}

/** The cluster writes a slice, so the time begins with that write. */
async function lagsOfKubernetes(): Promise<readonly number[]> {
  const kubernetes = await Kubernetes.start();
  const slice = (ready: boolean) =>
    kubernetes.putSlice({
      name: 'bench',
      service: 'bench',
      ports: [{ port: 8_080 }],
      endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready } }],
    });
  const url = `kubernetes://127.0.0.1:${kubernetes.port}?namespace=shop&token=${TOKENS.admin}&ca=${encodeURIComponent(kubernetes.ca)}`;
  try {
    return await lags(
      url,
      () => slice(true),
      () => slice(false),
      'bench',
    );
  } finally {
    await kubernetes.close();
  }
}

interface Set {
  readonly failed: number;
  readonly requests: number;
  readonly reasons: Readonly<Record<string, number>>;
  readonly shutdowns: number;
}

interface Sets {
  readonly base: Set;
  readonly gray: Set;
}

/** Runs the demo on this registry. */
function demo(url: string): Promise<Sets> {
  return reported(process.execPath, [CLI, 'demo', '--json', '--seconds', String(DEMO_S), '--registry', url]);
}

/** Runs the demo as pods. */
function demoOfPods(): Promise<Sets> {
  return reported('unshare', inNamespace([POD_ADDRESS], [process.execPath, PODS, String(DEMO_S)]));
}

async function reported(program: string, args: readonly string[]): Promise<Sets> {
  const child = new Child(program, args);
  await child.ended;
  if (child.stdout === '') throw new Error(`no answer of ${args.join(' ')}: ${child.stderr}`);
  return JSON.parse(child.stdout);
}

function perShutdown({ failed, requests, shutdowns }: Set): string {
  return `${(failed / shutdowns).toFixed(1)} (${failed} of ${requests}, ${shutdowns} shutdowns)`;
}

function whyOf({ reasons }: Set): string {
  const told = Object.entries(reasons).map(([reason, times]) => `${times} ${reason.slice(0, 60)}`);
  return told.length === 0 ? '' : `: ${told.join(', ')}`;
}

const range = (of: readonly number[]): string => `${ms(quantile(of, 0.5))}, longest ${ms(quantile(of, 1))}`;

function rowOf(what: string, lags: readonly number[], { base, gray }: Sets): Row {
  return {
    what,
    measured: range(lags),
    against: `by hand ${perShutdown(base)}; plugin ${perShutdown(gray)}${whyOf(gray)}`,
  };
}

export const registries: Benchmark = {
  title: 'Registries, and GoAway beside them',
  how: `The second column gives the time from the call that removes an instance until the last of ${CONSUMERS} watching clients has a list without the instance: median and longest of ${REMOVALS}. The third column gives failed requests for each shutdown in the demo of ${DEMO_S} s, by hand (deregister, then close; clients read the list each second) and with the plugin. Servers and adapters have their default settings unless the row names others. For Kubernetes the processes are pods in a network namespace, and their slices change at the moment of the signal. The last row gives the time from the start of the notification until the last of ${CONSUMERS} consumers has isolated the instance.`,
  columns: ['registry', 'the last consumer sees the removal after', 'failed per shutdown'],
  async run() {
    const rows: Row[] = [];
    for (const { what, start, options = '' } of SETTINGS) {
      const server = await start();
      const url = `${server.url}${options}`;
      try {
        rows.push(rowOf(what, await lagsOf(url), await demo(url)));
      } finally {
        await server.close();
      }
    }
    rows.push(rowOf('Kubernetes, from the change of the slice', await lagsOfKubernetes(), await demoOfPods()));
    const { acked, notifyMs } = await tell(CONSUMERS);
    rows.push({ what: 'GoAway', measured: `${ms(notifyMs)}, ${acked} of ${CONSUMERS} acked`, against: '' });
    return rows;
  },
};
