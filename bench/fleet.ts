import { join } from 'node:path';
import { systemClock } from '../src/lifecycle/clock.ts';
import { openRegistry } from '../src/registry/open.ts';
import { DelayProxy } from '../test/support/fakes/delay-proxy.ts';
import { Child } from '../test/support/process/child.ts';
import { pluginEnv, registryIn } from '../test/support/process/plugin-env.ts';
import { ScratchFolder } from '../test/support/scratch-folder.ts';
import { pause, until } from '../test/support/until.ts';

const PROVIDER = new URL('provider.ts', import.meta.url);
const CONSUMER = new URL('consumer.ts', import.meta.url);
const MOLECULER = new URL('moleculer.ts', import.meta.url);

/** Longest wait for a peer to leave, in milliseconds. */
const LONGEST_OFFLINE_MS = 120_000;

/** The number of consumers and their load. */
export interface Traffic {
  readonly consumers: number;
  /** Requests a second of each consumer. */
  readonly rate: number;
  /** Milliseconds between client and server, each way. */
  readonly delayMs: number;
}

/** The counts of a run. */
export interface Counted {
  readonly sent: number;
  readonly failed: number;
  readonly reasons: Readonly<Record<string, number>>;
  /** Milliseconds from SIGTERM to the exit, for each shutdown. */
  readonly offlineMs: readonly number[];
  /** For each GoAway, in its consumer: milliseconds from its arrival to the ack, and to the last request to that instance. */
  readonly stops: readonly Stop[];
  /** Standard error of the providers that left. */
  readonly logs: readonly string[];
}

export interface Stop {
  readonly ackMs: number;
  readonly lastRequestMs: number;
}

interface Provider {
  readonly child: Child;
  /** The proxy that adds the delay; undefined: no delay. */
  readonly proxy?: DelayProxy;
}

/** Makes providers leave as `peer` does, one after the other, under the traffic of consumers; one more provider always stays. */
export async function rollUnderLoad(peer: string, traffic: Traffic, shutdowns: number): Promise<Counted> {
  const folder = new ScratchFolder();
  const providers: Provider[] = [];
  let consumers: Child[] = [];
  try {
    providers.push(await startProvider(peer, folder.path, traffic.delayMs));
    providers.push(await startProvider(peer, folder.path, traffic.delayMs));
    consumers = await startConsumers(peer, folder.path, traffic);
    await pause(2_000);
    const offlineMs: number[] = [];
    const logs: string[] = [];
    for (let n = 0; n < shutdowns; n++) {
      if (peer === 'moleculer') await untilFound(consumers, providers.length);
      const leaving = providers.shift() as Provider;
      const begun = performance.now();
      leaving.child.signal('SIGTERM');
      await leaving.child.ends(LONGEST_OFFLINE_MS);
      offlineMs.push(performance.now() - begun);
      logs.push(leaving.child.stderr);
      // Every consumer has read its list again by then.
      await pause(3_500);
      leaving.proxy?.close();
      if (n + 1 < shutdowns) providers.push(await startProvider(peer, folder.path, traffic.delayMs));
      if (n + 1 < shutdowns) await pause(3_500);
    }
    const counts = await Promise.all(consumers.map((child) => ask(child)));
    const reasons: Record<string, number> = {};
    for (const count of counts)
      for (const [reason, times] of Object.entries(count.reasons)) reasons[reason] = (reasons[reason] ?? 0) + times;
    return {
      sent: sum(counts.map((count) => count.sent)),
      failed: sum(counts.map((count) => count.failed)),
      reasons,
      offlineMs,
      stops: counts.flatMap(({ stops }) => stops),
      logs,
    };
  } finally {
    await Promise.all([...providers.map(({ child }) => child), ...consumers].map((child) => child.destroy()));
    for (const provider of providers) provider.proxy?.close();
    folder.remove();
  }
}

/** Environment of a process with the plugin; it sends no spans unless `more` names a target. */
export function pluginEnvironment(
  name: string,
  folder: string,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return pluginEnv(folder, { LOSSLESS_SERVICE: name, OTEL_SDK_DISABLED: 'true', ...more });
}

async function startProvider(peer: string, folder: string, delayMs: number): Promise<Provider> {
  if (peer === 'moleculer') return { child: await startNodes('provider', folder) };
  const proxy = await DelayProxy.start(delayMs);
  const env =
    peer === 'plugin'
      ? pluginEnvironment('provider', folder, {
          LOSSLESS_ADVERTISE: `127.0.0.1:${proxy.port}`,
          LOSSLESS_LOG_LEVEL: 'debug',
        })
      : {};
  const child = Child.node(PROVIDER, { args: [peer, registryIn(folder)], env, ipc: true });
  const { port } = await child.receives<{ port: number }>();
  proxy.target = port;
  const registered = child.receives();
  child.send(proxy.port);
  await registered;
  const registry = await openRegistry(new URL(registryIn(folder)), { clock: systemClock, log: () => {} });
  await until(async () => (await registry.instances('provider')).some((instance) => instance.port === proxy.port));
  return { child, proxy };
}

/** Nodes of Moleculer find and call each other by themselves. */
async function startNodes(role: 'provider' | 'consumers', folder: string, ...more: number[]): Promise<Child> {
  const child = Child.node(MOLECULER, { args: [role, join(folder, 'nodes'), ...more], ipc: true });
  await child.receives();
  return child;
}

/** Nodes of Moleculer tell each other by gossip whom they know, which may take longer than a list is read again. */
async function untilFound(consumers: readonly Child[], providers: number): Promise<void> {
  for (const consumer of consumers)
    await until(async () => (await ask(consumer)).providers === providers, LONGEST_OFFLINE_MS);
}

/** With the plugin each process is one consumer; without it one process holds all, each with connections and a list of its own. */
async function startConsumers(peer: string, folder: string, { consumers, rate }: Traffic): Promise<Child[]> {
  const start = async (mode: string, count: number, env: Readonly<Record<string, string>>): Promise<Child> => {
    const child = Child.node(CONSUMER, { args: [mode, registryIn(folder), count, rate], env, ipc: true });
    await child.receives();
    return child;
  };
  if (peer === 'moleculer') return [await startNodes('consumers', folder, consumers, rate)];
  if (peer !== 'plugin') return [await start('by-list', consumers, {})];
  const children: Child[] = [];
  const env = pluginEnvironment('consumer', folder, { LOSSLESS_LOG_LEVEL: 'silent' });
  for (let n = 0; n < consumers; n++) children.push(await start('by-name', 1, env));
  return children;
}

/** What a process of consumers has counted; nodes of Moleculer also say how many providers each of them has found at least. */
interface Answer extends Pick<Counted, 'sent' | 'failed' | 'reasons' | 'stops'> {
  readonly providers?: number;
}

function ask(child: Child): Promise<Answer> {
  const answer = child.receives<Answer>();
  child.send('count');
  return answer;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
