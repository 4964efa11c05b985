import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { systemClock } from '../src/lifecycle/clock.ts';
import { openRegistry } from '../src/registry/open.ts';
import { DelayProxy } from '../test/support/fakes/delay-proxy.ts';

const REGISTER = new URL('../dist/src/register.js', import.meta.url).href;

/** How many consumers and what they send. */
export interface Traffic {
  readonly consumers: number;
  /** Requests a second of each. */
  readonly rate: number;
  /** Milliseconds between client and server, each way. */
  readonly delayMs: number;
}

/** What a run has counted. */
export interface Counted {
  readonly sent: number;
  readonly failed: number;
  readonly reasons: Readonly<Record<string, number>>;
  /** Milliseconds from SIGTERM to the exit, of each shutdown. */
  readonly offlineMs: readonly number[];
  /** Of each GoAway, in its consumer: milliseconds from its arrival to the ack, and to the last request to that instance. */
  readonly stops: readonly Stop[];
  /** Standard error of the providers that left. */
  readonly logs: readonly string[];
}

export interface Stop {
  readonly ackMs: number;
  readonly lastRequestMs: number;
}

interface Provider {
  readonly child: ChildProcess;
  readonly proxy: DelayProxy;
  readonly log: string[];
}

/** Providers that leave as `peer` does, one after the other, under the traffic of consumers; one more provider always stays. */
export async function rollUnderLoad(peer: string, traffic: Traffic, shutdowns: number): Promise<Counted> {
  const directory = mkdtempSync(join(tmpdir(), 'lossless-bench-'));
  const registryUrl = pathToFileURL(join(directory, 'registry')).href;
  const providers: Provider[] = [];
  let consumers: ChildProcess[] = [];
  try {
    providers.push(await startProvider(peer, registryUrl, directory, traffic.delayMs));
    providers.push(await startProvider(peer, registryUrl, directory, traffic.delayMs));
    consumers = await startConsumers(peer, registryUrl, directory, traffic);
    await pause(2_000);
    const offlineMs: number[] = [];
    const logs: string[] = [];
    for (let n = 0; n < shutdowns; n++) {
      const leaving = providers.shift() as Provider;
      const begun = performance.now();
      const exited = once(leaving.child, 'exit');
      leaving.child.kill('SIGTERM');
      await exited;
      offlineMs.push(performance.now() - begun);
      logs.push(leaving.log.join(''));
      // By now every list has been read again.
      await pause(3_500);
      leaving.proxy.close();
      if (n + 1 < shutdowns) providers.push(await startProvider(peer, registryUrl, directory, traffic.delayMs));
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
    for (const child of [...providers.map((provider) => provider.child), ...consumers]) child.kill('SIGKILL');
    for (const provider of providers) provider.proxy.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Environment of a process with the plugin; spans go nowhere, unless `more` says where. */
export function pluginEnvironment(
  name: string,
  registryUrl: string,
  directory: string,
  more: Readonly<Record<string, string>> = {},
): NodeJS.ProcessEnv {
  return {
    ...process.env,
    NODE_OPTIONS: `--import=${REGISTER}`,
    LOSSLESS_ENABLED: 'true',
    LOSSLESS_SERVICE: name,
    LOSSLESS_REGISTRY: registryUrl,
    LOSSLESS_CONTROL_PORT: '0',
    LOSSLESS_CONTROL_HOST: '127.0.0.1',
    LOSSLESS_SPOOL_DIR: join(directory, 'spool'),
    OTEL_SDK_DISABLED: 'true',
    ...more,
  };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function startProvider(peer: string, registryUrl: string, directory: string, delayMs: number): Promise<Provider> {
  const proxy = await DelayProxy.start(delayMs);
  const env =
    peer === 'plugin'
      ? pluginEnvironment('provider', registryUrl, directory, {
          LOSSLESS_ADVERTISE: `127.0.0.1:${proxy.port}`,
          LOSSLESS_LOG_LEVEL: 'debug',
        })
      : process.env;
  const child = fork(fileURLToPath(new URL('provider.ts', import.meta.url)), [peer, registryUrl], {
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const log: string[] = [];
  child.stderr?.on('data', (chunk: Buffer) => log.push(String(chunk)));
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  proxy.target = port;
  child.send(proxy.port);
  await once(child, 'message');
  const registry = await openRegistry(new URL(registryUrl), { clock: systemClock, log: () => {} });
  while (!(await registry.instances('provider')).some((instance) => instance.port === proxy.port)) await pause(20);
  return { child, proxy, log };
}

/** With the plugin a process is one consumer; without it one process holds all of them, each with connections and a list of its own. */
async function startConsumers(
  peer: string,
  registryUrl: string,
  directory: string,
  { consumers, rate }: Traffic,
): Promise<ChildProcess[]> {
  const file = fileURLToPath(new URL('consumer.ts', import.meta.url));
  const start = async (args: readonly string[], env: NodeJS.ProcessEnv): Promise<ChildProcess> => {
    const child = fork(file, [...args], { env, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    await once(child, 'message');
    return child;
  };
  if (peer !== 'plugin') return [await start(['by-list', registryUrl, `${consumers}`, `${rate}`], process.env)];
  const children: ChildProcess[] = [];
  const env = pluginEnvironment('consumer', registryUrl, directory, { LOSSLESS_LOG_LEVEL: 'silent' });
  for (let n = 0; n < consumers; n++) children.push(await start(['by-name', registryUrl, '1', `${rate}`], env));
  return children;
}

async function ask(child: ChildProcess): Promise<Pick<Counted, 'sent' | 'failed' | 'reasons' | 'stops'>> {
  child.send('count');
  const [answer] = await once(child, 'message');
  return answer;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
