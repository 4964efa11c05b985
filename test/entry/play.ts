import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Collector, startCollector } from '../../collector/server/server.ts';
import { template } from '../../src/cli/demo/template.ts';
import { startHttp1 } from '../support/entry/http1-load.ts';
import { startHttp2 } from '../support/entry/http2-load.ts';
import { listeningAt } from '../support/entry/listening-at.ts';
import { type Failure, type Load, sumOf } from '../support/entry/load.ts';
import { startProxy } from '../support/entry/proxies.ts';
import { scrape } from '../support/entry/scrape.ts';
import { routeService } from '../support/entry/service.ts';
import { startWebSocket } from '../support/entry/websocket-load.ts';
import { Child } from '../support/process/child.ts';
import { serverProgram } from '../support/servers/built.ts';
import { until } from '../support/until.ts';
import { terminatePod } from './pod.ts';
import { BALANCER, BESIDE_PORTS, type Calls, HOSTS, type Placed, PORTS, type Scenario } from './scenario.ts';
import { type Told, toldOf } from './told.ts';

const REGISTER = new URL('../../dist/src/register.js', import.meta.url).href;
const APPLICATION = fileURLToPath(new URL('../fixtures/entry/application.ts', import.meta.url));
const SERVICE = 'orders';

/** Addresses of the hosts. */
const ADDRESSES: readonly string[] = HOSTS;

/** Time under load before the first shutdown and after each, in milliseconds: balancers find the hosts, and clients spread. */
const SETTLING_MS = 4_000;

/** Longest wait for a shutdown, in milliseconds. */
const LONGEST_MS = 120_000;

/** The result of one shutdown. */
export interface Shutdown extends Told {
  /** When the signal was sent, in milliseconds since the epoch. */
  readonly at: number;
  /** From the signal to the end of the process, in seconds. */
  readonly seconds: number;
  /** Failures of clients between the signal and the next one. */
  readonly lost: readonly Failure[];
}

/** The results of a scenario. */
export interface Played {
  readonly shutdowns: readonly Shutdown[];
  readonly sent: number;
  /** Failures of clients before the first shutdown. */
  readonly before: readonly Failure[];
}

/** Plays a scenario in this process's network, which needs the hosts of `addHosts`. It leaves nothing behind. */
export async function play(scenario: Scenario, shutdowns: number): Promise<Played> {
  const stage = await Stage.open(scenario);
  try {
    return await stage.play(shutdowns);
  } finally {
    await stage.close();
  }
}

class Stage {
  readonly #scenario: Scenario;
  readonly #collector: Collector;
  readonly #directory = mkdtempSync(join(tmpdir(), 'lossless-entry-'));
  readonly #children = new Set<Child>();
  readonly #applications: Child[] = [];
  /** The proxies beside the applications. */
  readonly #besides: Child[] = [];

  private constructor(scenario: Scenario, collector: Collector) {
    this.#scenario = scenario;
    this.#collector = collector;
  }

  static async open(scenario: Scenario): Promise<Stage> {
    const options = { host: '127.0.0.1', ports: [0], database: ':memory:', maxAgeMs: 3_600_000, maxBytes: 2 ** 28 };
    return new Stage(scenario, await startCollector(options));
  }

  async play(shutdowns: number): Promise<Played> {
    const { calls, front } = this.#scenario;
    await Promise.all(HOSTS.map((_, host) => this.#placeBeside(host)));
    await Promise.all(HOSTS.map((_, host) => this.#start(host)));
    if (front !== undefined) await this.#place(front, BALANCER);
    this.#route(HOSTS);
    await sleep(SETTLING_MS / 2);
    const loads = calls.map((one) => this.#call(one));
    await sleep(this.#scenario.beforeMs ?? SETTLING_MS);
    const leaving: { readonly pid: number; readonly at: number; readonly seconds: number }[] = [];
    for (let n = 0; n < shutdowns; n++) {
      const host = this.#scenario.held ? 0 : n % HOSTS.length;
      const at = Date.now();
      const left = this.#leave(host);
      const routing = setTimeout(() => this.#route(HOSTS.toSpliced(host, 1)), this.#scenario.serviceLagMs ?? 0);
      leaving.push({ pid: await left, at, seconds: (Date.now() - at) / 1_000 });
      if (this.#scenario.pod !== undefined) await this.#stopBeside(host);
      await this.#start(host);
      clearTimeout(routing);
      this.#route(HOSTS);
      await sleep(SETTLING_MS);
    }
    const { failed, sent } = sumOf(await Promise.all(loads.map((load) => load.stop())));
    const told = await toldOf(this.#collector.queryUrl, SERVICE, shutdowns);
    return {
      sent,
      before: failed.filter(({ at }) => at < (leaving[0]?.at ?? Number.POSITIVE_INFINITY)),
      shutdowns: leaving.map(({ at, pid, seconds }, n) => ({
        ...(told.get(pid) ?? { result: 'missing', held: '', served: 0 }),
        at,
        seconds,
        lost: failed.filter((one) => one.at >= at && one.at < (leaving[n + 1]?.at ?? Number.POSITIVE_INFINITY)),
      })),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.destroy()));
    await this.#collector.close();
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The host's own folder. */
  #folder(host: number): string {
    const folder = join(this.#directory, `host-${host}`);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** The address of an application and its control server: a near one when a proxy stands beside it. */
  #address(host: number): string {
    return this.#scenario.beside === undefined ? (HOSTS[host] as string) : `127.0.0.${host + 1}`;
  }

  /** Sends a SIGTERM to the application of a host; resolves with its process id when it has ended. */
  async #leave(host: number): Promise<number> {
    const child = this.#applications[host] as Child;
    const { pod } = this.#scenario;
    if (pod !== undefined) {
      const env = this.#env(host);
      // `--host`, because this application is not at the default address of the command, unlike in a pod.
      await terminatePod(child, { ...pod, env, preStop: [...pod.preStop, '--host', this.#address(host)] });
      return child.pid;
    }
    const before = endedUnder(child).length;
    child.signal('SIGTERM');
    if (!this.#scenario.held) {
      await child.ends(LONGEST_MS);
      return child.pid;
    }
    await until(() => endedUnder(child).length > before, LONGEST_MS);
    return endedUnder(child).at(-1) ?? 0;
  }

  /** Starts the application of a host, unless its parent does; resolves when it is ready. */
  async #start(host: number): Promise<void> {
    const held = this.#scenario.held ? this.#applications[host] : undefined;
    const child = held ?? this.#launch(host);
    const lives = endedUnder(child).length + 1;
    await until(() => (child.stdout + child.stderr).split('registering -> warming').length > lives);
  }

  #launch(host: number): Child {
    const at = [this.#address(host), `${PORTS.application}`];
    const { hangs, held, protocol = 'http1' } = this.#scenario;
    const does = hangs ? ['hangs'] : [];
    const command = [process.execPath, '--disable-warning=ExperimentalWarning', APPLICATION, ...at, protocol, ...does];
    const [program = '', ...args] = held ? [serverProgram('hold'), ...at, ...command] : command;
    const child = new Child(program, args, { env: this.#env(host) });
    this.#children.add(child);
    this.#applications[host] = child;
    return child;
  }

  /** The variables of a host's application. */
  #env(host: number): Record<string, string> {
    const { env = {}, pod } = this.#scenario;
    const folder = this.#folder(host);
    const more = Object.entries({ ...pod?.env, ...env }).map(
      ([name, value]) =>
        [name, value.replaceAll('DIRECTORY', folder).replaceAll('ENTRY', `${BESIDE_PORTS[host]}`)] as const,
    );
    return {
      NODE_OPTIONS: `--import=${REGISTER}`,
      LOSSLESS_ENABLED: 'true',
      LOSSLESS_SERVICE: SERVICE,
      LOSSLESS_REGISTRY: pathToFileURL(join(this.#directory, 'registry')).href,
      LOSSLESS_CONTROL_HOST: this.#address(host),
      LOSSLESS_CONTROL_PORT: `${PORTS.control}`,
      LOSSLESS_SPOOL_DIR: join(folder, 'spool'),
      LOSSLESS_WARMUP_MS: '0',
      OTEL_EXPORTER_OTLP_ENDPOINT: this.#collector.otlpUrl,
      ...Object.fromEntries(more),
    };
  }

  /** Starts the proxy beside the application of a host. */
  async #placeBeside(host: number): Promise<void> {
    const { beside } = this.#scenario;
    if (beside !== undefined) this.#besides[host] = await this.#place(beside, HOSTS[host] as string, host);
  }

  /** Stops that proxy, as the kubelet stops a native sidecar after the application, and starts the proxy of the next pod. */
  async #stopBeside(host: number): Promise<void> {
    this.#besides[host]?.signal('SIGQUIT');
    await this.#besides[host]?.ends();
    await this.#placeBeside(host);
  }

  /** Starts the proxy of the balancer, or that of a host. */
  async #place({ proxy, file, values = {} }: Placed, address: string, host?: number): Promise<Child> {
    const folder = host === undefined ? join(this.#directory, 'balancer') : this.#folder(host);
    mkdirSync(folder, { recursive: true });
    const here = Object.fromEntries(
      Object.entries(values).map(([example, value]) => [example, value.replaceAll('DIRECTORY', folder)]),
    );
    const text = template(file, here);
    const at = { host: address, port: host === undefined ? PORTS.entry : (BESIDE_PORTS[host] ?? 0) };
    const placed = listeningAt(host === undefined ? text : text.replaceAll('127.0.0.1', this.#address(host)), at);
    const child = await startProxy(proxy, placed, folder, at);
    this.#children.add(child);
    return child;
  }

  /** Sends connections to the service to these hosts. */
  #route(hosts: readonly string[]): void {
    const { beside, serviceLagMs } = this.#scenario;
    if (serviceLagMs === undefined) return;
    const port = (host: string) => (beside === undefined ? PORTS.application : BESIDE_PORTS[ADDRESSES.indexOf(host)]);
    routeService(
      { host: BALANCER, port: PORTS.entry },
      hosts.map((host) => `${host}:${port(host)}`),
    );
  }

  #call(calls: Calls): Load {
    if (calls.by === 'scrape') return scrape({ ...calls, hosts: HOSTS, port: PORTS.application });
    const { beside, front, serviceLagMs } = this.#scenario;
    const isDirect = front === undefined && serviceLagMs === undefined;
    const host = isDirect ? HOSTS[0] : BALANCER;
    const port = isDirect && beside === undefined ? PORTS.application : PORTS.entry;
    if (calls.by === 'http1') return startHttp1({ host, port, ...calls });
    return calls.by === 'http2' ? startHttp2({ host, port, ...calls }) : startWebSocket({ host, port, ...calls });
  }
}

/** Process ids of the applications that have ended under a parent. */
function endedUnder(parent: Child): readonly number[] {
  return [...parent.stdout.matchAll(/^ended (\d+)$/gm)].map(([, pid]) => Number(pid));
}
