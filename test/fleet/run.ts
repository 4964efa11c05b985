import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Collector } from '../../collector/server/server.ts';
import { JaegerClient } from '../../src/cli/jaeger-client.ts';
import { command as replay } from '../../src/cli/replay.ts';
import { command as verify } from '../../src/cli/verify.ts';
import { EntryFiles } from '../../src/registry/file/entry-files.ts';
import { spanName } from '../../src/trace/model/schema.ts';
import { assess } from '../../src/trace/model/verdict.ts';
import { anInstance } from '../support/an-instance.ts';
import { embeddedCollector } from '../support/embedded-collector.ts';
import { DelayProxy } from '../support/fakes/delay-proxy.ts';
import { appPortOf, controlPortOf } from '../support/process/announced.ts';
import { Child } from '../support/process/child.ts';
import { ask } from '../support/process/operator.ts';
import { pluginEnv } from '../support/process/plugin-env.ts';
import { ScratchFolder } from '../support/scratch-folder.ts';
import { pause, until } from '../support/until.ts';
import type { Client, Consumer, Event, Fleet, Provider } from './fleet.ts';
import { type Load, startDecoy, startFake, startUnmanaged, type Target } from './foreign.ts';
import { Mirror } from './mirror.ts';
import type { Life, Observed, Outcome, Shutdown } from './observed.ts';

const PROVIDER = new URL('../fixtures/fleet/provider.ts', import.meta.url);
const CONSUMER = new URL('../fixtures/fleet/consumer.ts', import.meta.url);

/** The service of all providers. */
const SERVICE = 'shop';

/** Longest wait for an end, in milliseconds, beside the grace period. */
const ENDING_MS = 6_000;

/** Time of clients after the last event, in milliseconds, beside the lag of lists and the time between two requests. */
const TAIL_MS = 1_500;

/** Longest wait for the lag of lists, in milliseconds; in fleets with a longer lag no provider leaves. */
const MOST_LAG_MS = 4_000;

/** Longest wait until an instance is registered, in milliseconds; some never are. */
const READY_MS = 10_000;

/** Longest wait for spans once all clients have stopped, in milliseconds. */
const SPANS_MS = 1_500;

/** Plays a fleet with real processes and returns the observations. It leaves nothing behind. */
export async function run(fleet: Fleet): Promise<Observed> {
  const stage = await Stage.open(fleet);
  try {
    return await stage.play();
  } finally {
    await stage.close();
  }
}

/** A running life. */
interface Living {
  readonly index: number;
  readonly provider: number;
  /** Whether it is meant to get ready. */
  readonly healthy: boolean;
  readonly name: string;
  readonly child: Child;
  /** What delays its traffic, for each of its ports. */
  readonly proxies: readonly DelayProxy[];
  port: number;
  readyAt?: number;
  leftAt?: number;
  killedAt?: number;
  exitedAt?: number;
}

class Stage {
  readonly #fleet: Fleet;
  readonly #collector: Collector;
  readonly #directory = new ScratchFolder();
  readonly #mirror: Mirror | undefined;
  readonly #children = new Set<Child>();
  readonly #closers: (() => void)[] = [];
  readonly #lives: Living[] = [];
  readonly #outcomes: Outcome[] = [];
  readonly #consumers = new Map<number, Child>();
  readonly #loads: Load[] = [];

  private constructor(fleet: Fleet, collector: Collector) {
    this.#fleet = fleet;
    this.#collector = collector;
    if (fleet.lagMs > 0)
      this.#mirror = new Mirror(this.#registryOf('provider'), this.#registryOf('consumer'), SERVICE, fleet.lagMs);
  }

  static async open(fleet: Fleet): Promise<Stage> {
    return new Stage(fleet, await embeddedCollector());
  }

  async play(): Promise<Observed> {
    const { clients, events, gracePeriodMs, lagMs, providers } = this.#fleet;
    await Promise.all(providers.map((_, index) => this.#start(index)));
    await this.#listed();
    this.#mirror?.lag();
    await Promise.all(clients.map((client, index) => this.#call(client, index)));
    const beganAt = now();
    await Promise.race([
      Promise.all(events.map((event) => pause(event.at).then(() => this.#happen(event)))),
      pause(Math.max(0, ...events.map(({ at }) => at)) + gracePeriodMs + ENDING_MS),
    ]);
    await pause(TAIL_MS + Math.min(lagMs, MOST_LAG_MS) + 1_000 / Math.min(...clients.map(({ rate }) => rate)));
    await Promise.all([...this.#loads.map((load) => load.stop()), ...[...this.#consumers.values()].map(stopped)]);
    const endedAt = now();
    await this.#replay();
    const shutdowns = await this.#shutdowns();
    return {
      outcomes: this.#outcomes,
      lives: shutdowns.lives,
      shutdowns: shutdowns.list,
      verify: await this.#verify(beganAt),
      refusedAt: this.#lives.flatMap(({ proxies }) => proxies.flatMap(({ refusedAt }) => refusedAt)),
      beganAt,
      endedAt,
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.destroy()));
    this.#mirror?.close();
    for (const close of this.#closers) close();
    await this.#collector.close();
    this.#directory.remove();
  }

  #registryOf(side: 'provider' | 'consumer'): string {
    return join(this.#directory.path, side === 'provider' || this.#fleet.lagMs === 0 ? 'registry' : 'lagging');
  }

  #child(file: URL, args: readonly (string | number | boolean)[], env: Readonly<Record<string, string>>): Child {
    const child = Child.node(file, { args, env });
    this.#children.add(child);
    return child;
  }

  #env(service: string, side: 'provider' | 'consumer', more: Readonly<Record<string, string>>): Record<string, string> {
    return pluginEnv(this.#directory.path, {
      LOSSLESS_SERVICE: service,
      LOSSLESS_REGISTRY: pathToFileURL(this.#registryOf(side)).href,
      LOSSLESS_WARMUP_MS: '0',
      OTEL_EXPORTER_OTLP_ENDPOINT: this.#collector.otlpUrl,
      ...more,
    });
  }

  /** Starts a life of a provider and resolves when it is ready, or will not be. */
  async #start(provider: number, { port = 0, healthy = true } = {}): Promise<Living> {
    const { delayMs, gracePeriodMs, holdMs, providers } = this.#fleet;
    const { grpc = false, keepAliveMs, listedTwice, servers, workMs } = providers[provider] as Provider;
    const [proxy, byGrpc] = await Promise.all([this.#proxy(delayMs > 0), this.#proxy(delayMs > 0 && grpc)]);
    const env = this.#env(SERVICE, 'provider', {
      LOSSLESS_GRACE_PERIOD_MS: `${gracePeriodMs}`,
      LOSSLESS_HOLD_MS: `${holdMs}`,
      ...(healthy ? {} : { LOSSLESS_PROBE: '/health' }),
      ...(proxy && {
        LOSSLESS_ADVERTISE: [`127.0.0.1:${proxy.port}`, byGrpc && `grpc=127.0.0.1:${byGrpc.port}`]
          .filter(Boolean)
          .join(),
      }),
    });
    const index = this.#lives.length;
    const name = `${SERVICE}${provider}.${index}`;
    const args = [name, workMs, keepAliveMs, servers, proxy ? 0 : port, healthy ? 'healthy' : 'unhealthy', grpc];
    const proxies = [proxy, byGrpc].filter((each) => each !== undefined);
    const living: Living = { index, provider, healthy, name, child: this.#child(PROVIDER, args, env), proxies, port };
    this.#lives.push(living);
    void living.child.ended
      .catch(() => {})
      .then(() => {
        living.exitedAt = now();
        // Closed after the process, so that a new connection is refused, as it would be at a real distance.
        for (const each of proxies) each.close();
      });
    const listening = await appPortOf(living.child);
    living.port = proxy?.port ?? listening;
    if (proxy !== undefined) proxy.target = listening;
    if (byGrpc !== undefined) byGrpc.target = Number(/grpc listens on (\d+)/.exec(living.child.stdout)?.[1]);
    if (!healthy) return living;
    const ready = await living.child.sees(/registering -> warming/, READY_MS).catch(() => undefined);
    if (ready === undefined) return living;
    living.readyAt = now();
    if (listedTwice) this.#listAgain(living);
    return living;
  }

  async #proxy(isWanted: boolean): Promise<DelayProxy | undefined> {
    if (!isWanted) return undefined;
    const proxy = await DelayProxy.start(this.#fleet.delayMs);
    this.#closers.push(() => proxy.close());
    return proxy;
  }

  /** Lists a life under another id too, as an application does that registers itself. */
  #listAgain({ child, name, port, provider }: Living): void {
    const files = new EntryFiles({ root: this.#registryOf('provider'), isPrivate: false, onCorrupt: () => {} });
    const metadata = { provider: `${provider}` };
    const own = { service: SERVICE, instanceId: `own-${name}`, generation: 0, port, registeredAt: 0, metadata };
    const instance = anInstance(own);
    writeFileSync(files.pathOf(instance), JSON.stringify({ pid: child.pid, started: 0, instance }));
  }

  /** Resolves when consumers' lists name every ready provider. */
  #listed(): Promise<void> {
    const files = new EntryFiles({ root: this.#registryOf('consumer'), isPrivate: false, onCorrupt: () => {} });
    const ready = this.#lives.filter(({ readyAt }) => readyAt !== undefined);
    return until(() => files.read(SERVICE).length >= ready.length);
  }

  /** Starts a client and resolves at its first outcome. */
  async #call(client: Client, index: number): Promise<void> {
    const before = this.#outcomes.length;
    const record = (outcome: Omit<Outcome, 'client'>): void => void this.#outcomes.push({ ...outcome, client: index });
    const joins = this.#fleet.events.some((event) => event.does === 'join' && event.client === index);
    if (client.kind === 'consumer') await this.#consume(client, index, joins);
    else if (client.kind === 'unmanaged')
      this.#loads.push(startUnmanaged(client, this.#balancer(client.learnsAfterMs), record));
    else this.#loads.push(await startFake(client, this.#targetOf(client.calls), record));
    if (!joins) await until(() => this.#outcomes.slice(before).some((outcome) => outcome.client === index));
  }

  async #consume({ control, listed, rate, via }: Consumer, index: number, joins: boolean): Promise<void> {
    const decoy = await startDecoy(control);
    if (decoy !== undefined) this.#closers.push(decoy.close);
    const own = control === 'self' ? this.#lives.find(({ readyAt }) => readyAt !== undefined) : undefined;
    const port = own === undefined ? (decoy?.port ?? 0) : await this.#controlPort(own);
    const env = this.#env(`front-${index}`, 'consumer', {
      // The provider sees the consumer come from 127.0.0.1, and expects its control port there.
      ...(control !== 'open' && { LOSSLESS_CONTROL_HOST: '127.0.0.2', LOSSLESS_CONTROL_PORT: `${port}` }),
    });
    const child = this.#child(CONSUMER, [`http://${SERVICE}/work`, rate, via, listed], env);
    this.#consumers.set(index, child);
    await child.sees(/^started$/m);
    if (!joins) child.say('begin');
    readOutcomes(child, ({ answeredBy, ...outcome }) => {
      const life = this.#lives.find(({ name }) => name === answeredBy)?.index;
      this.#outcomes.push({ ...outcome, client: index, ...(life !== undefined && { life }) });
    });
  }

  #targetOf(provider: number): Target {
    const living = this.#lives.find((each) => each.provider === provider) as Living;
    return { life: living.index, port: living.port };
  }

  /** Returns ready lives in turn, including those that have left until the balancer learns of it. */
  #balancer(learnsAfterMs: number): () => Target | undefined {
    let turn = 0;
    return () => {
      const at = now();
      const ready = this.#lives.filter(
        ({ killedAt, leftAt, readyAt }) =>
          readyAt !== undefined && at < Math.min(leftAt ?? at + 1e9, killedAt ?? at + 1e9) + learnsAfterMs,
      );
      const next = ready[turn++ % Math.max(1, ready.length)];
      return next && { life: next.index, port: next.port };
    };
  }

  #current(provider: number): Living {
    return this.#lives.findLast((living) => living.provider === provider && living.healthy) as Living;
  }

  async #controlPort({ child }: Living): Promise<number> {
    const port = await controlPortOf(child);
    return port;
  }

  /** Resolves when what an event begins is over. */
  async #happen(event: Event): Promise<void> {
    if (event.does === 'crash_loop') return this.#crashLoop(event.times);
    if (event.does === 'die') return void this.#consumers.get(event.client)?.process.kill('SIGKILL');
    if (event.does === 'client_leaves') return void this.#consumers.get(event.client)?.process.kill('SIGTERM');
    if (event.does === 'join') return void this.#consumers.get(event.client)?.say('begin');
    if (event.does === 'block' || event.does === 'long') {
      this.#consumers.get(event.client)?.say(`${event.does} ${event.ms}`);
      return pause(event.ms);
    }
    const living = this.#current(event.provider);
    if (event.does === 'stall') return void living.child.say(`stall ${event.ms}`);
    if (event.does === 'kill') return this.#kill(living);
    if (event.does === 'undo') return this.#undo(living, event.afterMs);
    if (event.does === 'leave_killed') {
      this.#leave(living);
      await pause(event.afterMs);
      return this.#kill(living);
    }
    if (event.does === 'leave_twice' || event.does === 'leave_exits') {
      this.#leave(living);
      await pause(event.afterMs);
      if (event.does === 'leave_exits') living.child.say('exit');
    }
    if (event.does === 'replace') await this.#start(event.provider);
    if (event.does === 'leave' && event.by === 'endpoint') await this.#offline(living, '/offline');
    else this.#leave(living);
    await living.child.ended;
    if (event.does === 'restart')
      await this.#start(event.provider, { port: living.proxies.length > 0 ? 0 : living.port });
  }

  #leave(living: Living): void {
    if (living.exitedAt !== undefined) return;
    living.leftAt ??= now();
    living.child.process.kill('SIGTERM');
  }

  async #kill(living: Living): Promise<void> {
    if (living.exitedAt === undefined) living.killedAt ??= now();
    living.child.process.kill('SIGKILL');
    await living.child.ended;
  }

  async #offline(living: Living, path: string): Promise<void> {
    if (living.exitedAt !== undefined) return;
    if (path === '/offline') living.leftAt ??= now();
    await post(await this.#controlPort(living), path);
  }

  /** An undone life counts as not left. */
  async #undo(living: Living, afterMs: number): Promise<void> {
    const { leftAt } = living;
    await this.#offline(living, '/offline');
    await pause(afterMs);
    const undone = await post(await this.#controlPort(living), '/online').catch(() => 0);
    if (undone !== 200) return void (await living.child.ended);
    if (leftAt === undefined) delete living.leftAt;
  }

  async #crashLoop(times: number): Promise<void> {
    for (let n = 0; n < times; n++) {
      const living = await this.#start(0, { healthy: false });
      await pause(200);
      this.#leave(living);
      await living.child.ended;
    }
  }

  /** The results of the traces, once all spans have arrived or none will come. */
  async #shutdowns(): Promise<{ readonly lives: readonly Life[]; readonly list: readonly Shutdown[] }> {
    const jaeger = new JaegerClient(new URL(this.#collector.queryUrl));
    const lives = this.#lives.map(lifeOf);
    const find = async (): Promise<Shutdown[]> => {
      const traces = await jaeger.search({ service: SERVICE, operation: spanName('offline.started'), limit: 100 });
      return traces.map(assess).flatMap((verdict) => {
        const life = lives.find(({ pid }) => verdict.instanceId.split(':').includes(`${pid}`));
        return life === undefined ? [] : [{ life, verdict }];
      });
    };
    let list = await find();
    const deadline = now() + SPANS_MS;
    while (now() < deadline && !list.every(({ life, verdict }) => verdict.whole || life.killedAt !== undefined)) {
      await pause(50);
      list = await find();
    }
    return { lives, list: list.sort((one, other) => one.verdict.startedAt - other.verdict.startedAt) };
  }

  /** Replays the spools of processes that ended early. */
  async #replay(): Promise<void> {
    const silent = (): void => {};
    const args = ['--dir', join(this.#directory.path, 'spool'), '--otlp', this.#collector.otlpUrl];
    await replay.run(args, { out: silent, err: silent, color: false, width: 200 });
  }

  async #verify(since: number): Promise<{ readonly code: number; readonly text: string }> {
    const lines: string[] = [];
    const code = await verify.run(
      ['--service', SERVICE, '--since', new Date(since).toISOString(), '--url', this.#collector.queryUrl],
      { out: (line) => lines.push(line), err: (line) => lines.push(line), color: false, width: 200 },
    );
    return { code, text: lines.join('\n') };
  }
}

function lifeOf({ child, exitedAt, index, killedAt, leftAt, name, readyAt }: Living): Life {
  return { index, provider: name, pid: child.pid, readyAt, leftAt, killedAt, exitedAt };
}

interface Printed extends Omit<Outcome, 'client' | 'life'> {
  /** Name of the life that answered with another status than 200. */
  readonly answeredBy: string | undefined;
}

/** Calls `each` for every line that a consumer prints of a request. */
function readOutcomes(child: Child, each: (outcome: Printed) => void): void {
  let rest = '';
  child.process.stdout?.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const [, begun, ended, outcome = '', answeredBy] = /^= (\S+) (\S+) (status \d+|\S+) ?(.*)$/.exec(line) ?? [];
      if (begun === undefined) continue;
      each({ begun: Number(begun), ended: Number(ended), answeredBy, ...(outcome !== 'ok' && { failure: outcome }) });
    }
  });
}

/** Stops a consumer; resolves when it has all answers, or has ended. It lives on, so that it sends its spans. */
async function stopped(child: Child): Promise<void> {
  child.say('stop');
  await child.sees(/^stopped$/m, 15_000).catch(() => {});
}

async function post(port: number, path: string): Promise<number> {
  return (await ask(port, path, { method: 'POST' })).status;
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
