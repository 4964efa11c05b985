import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { appPortOf } from '../support/process/announced.ts';
import { Child } from '../support/process/child.ts';
import { pluginEnv } from '../support/process/plugin-env.ts';
import { Backends, BEHIND, type Link } from './backends.ts';
import { Member } from './member.ts';
import type { Life, Lost } from './observed.ts';
import { CALLERS, TIERS, type Tier } from './plan.ts';

const SERVICE = new URL('../fixtures/soak/service.ts', import.meta.url);
const CALLER = new URL('../fixtures/soak/caller.ts', import.meta.url);

/** Total time of a shutdown, in milliseconds. */
const GRACE_PERIOD_MS = 12_000;

/** Longest wait until an instance is registered, in milliseconds. */
const READY_MS = 45_000;

/** Longest time that the end of a process takes beside its grace period, in milliseconds: it may stand still meanwhile. */
const ENDING_MS = 10_000;

const ENV = {
  LOSSLESS_SECRET: 'one secret for the whole fleet',
  LOSSLESS_GRACE_PERIOD_MS: `${GRACE_PERIOD_MS}`,
  LOSSLESS_HOLD_MS: '2000',
  LOSSLESS_WARMUP_MS: '2000',
  // A dozen processes share one machine here, where each has its own.
  LOSSLESS_GOAWAY_TIMEOUT_MS: '2000',
};

export interface FleetOptions {
  /** Where everything is kept. */
  readonly folder: string;
  /** Requests a second of all callers. */
  readonly rate: number;
  /** Variables of every process, beside those of the fleet; NODE_OPTIONS is added to that of the plugin. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether this process has mounts of its own. */
  readonly isOwn: boolean;
  readonly onLost: (lost: Lost) => void;
}

/** The processes of a soak: callers, which live for the whole run, and instances of services, which come and go. */
export class Fleet {
  readonly backends: Backends;
  readonly callers: Member[] = [];
  readonly #members = new Set<Member>();
  readonly #past: Life[] = [];
  readonly #options: FleetOptions;
  readonly #link: Link;
  /** Those that have been ready and are not asked to leave, the oldest first. */
  readonly #serving: Record<Tier, Member[]> = { shop: [], stock: [] };
  readonly #links = new Map<Member, Link>();
  #started = 0;

  private constructor(options: FleetOptions, backends: Backends, link: Link) {
    this.#options = options;
    this.backends = backends;
    this.#link = link;
  }

  /** Starts everything, the end of the chain first. */
  static async open(options: FleetOptions): Promise<Fleet> {
    mkdirSync(join(options.folder, 'logs'));
    const backends = await Backends.open(options.folder, options.isOwn);
    const fleet = new Fleet(options, backends, await backends.link(false));
    try {
      for (const tier of ['stock', 'shop'] as const) {
        await fleet.start(tier);
        await Promise.all(Array.from({ length: TIERS[tier].instances - 1 }, () => fleet.start(tier)));
      }
      await Promise.all(CALLERS.map((via) => fleet.#call(via)));
    } catch (thrown) {
      await fleet.close();
      throw thrown;
    }
    return fleet;
  }

  /** The oldest instance of a service leaves next; of the last service the first one stays, to see whether it grows. */
  oldest(tier: Tier): Member {
    return this.#serving[tier][tier === 'stock' ? 1 : 0] as Member;
  }

  /** Those that live for the whole run. */
  get lasting(): readonly Member[] {
    return [...this.callers, ...this.#serving.stock.slice(0, 1)];
  }

  /** Those that come and go, without the next to leave. */
  peers(leaving: Member): readonly Member[] {
    return [...this.#serving.shop, ...this.#serving.stock.slice(1)].filter((member) => member !== leaving);
  }

  /** Every process there was, and is. */
  get lives(): readonly Life[] {
    return [...this.#past, ...[...this.#members].map(({ life }) => life)];
  }

  linkOf(member: Member): Link {
    return this.#links.get(member) ?? this.#link;
  }

  /** Starts an instance and resolves when it is registered. @throws Error with its output when it never is */
  async start(tier: Tier): Promise<Member> {
    const member = this.#member(tier, SERVICE, [TIERS[tier].next], this.#link);
    try {
      member.port = await appPortOf(member.child);
      await member.child.sees(/registering -> warming/, READY_MS);
    } catch (thrown) {
      await member.kill();
      throw thrown;
    }
    this.#serving[tier].push(member);
    return member;
  }

  /** Asks an instance to leave and resolves when it has ended. */
  async leave(member: Member): Promise<void> {
    this.#forget(member);
    await member.leave(GRACE_PERIOD_MS + ENDING_MS);
  }

  async kill(member: Member): Promise<void> {
    this.#forget(member);
    await member.kill();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#members].map(({ child }) => child.destroy()));
    await this.backends.close();
  }

  #forget(member: Member): void {
    for (const tier of ['shop', 'stock'] as const)
      this.#serving[tier] = this.#serving[tier].filter((each) => each !== member);
  }

  async #call(via: string): Promise<void> {
    const link = await this.backends.link(true);
    const name = `caller-${via}`;
    const rate = this.#options.rate / CALLERS.length;
    const args = [name, 'http://shop/work', rate, via];
    const member = this.#member('caller', CALLER, args, link);
    this.#links.set(member, link);
    this.callers.push(member);
    member.child.process.on('message', ({ lost }: { readonly lost?: Lost }) => {
      if (lost !== undefined) this.#options.onLost(lost);
    });
    // It calls from its start on.
    await member.child.sees(/control server listens/);
  }

  #member(tier: Member['tier'], file: URL, args: readonly (string | number)[], link: Link): Member {
    const { env, folder } = this.#options;
    const name = tier === 'caller' ? String(args[0]) : `${tier}-${++this.#started}`;
    const plugin = pluginEnv(folder, {
      ...ENV,
      LOSSLESS_SERVICE: tier,
      LOSSLESS_SPOOL_DIR: this.backends.spoolDir,
      LOSSLESS_REGISTRY: this.backends.registryOf(link),
      LOSSLESS_JAEGER_URL: this.backends.collector.queryUrl,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${link.collector.port}`,
      ...(link.control && { LOSSLESS_CONTROL_HOST: BEHIND, LOSSLESS_CONTROL_PORT: `${link.control.port}` }),
      ...env,
    });
    const { NODE_OPTIONS } = pluginEnv(folder);
    const options = { ...plugin, NODE_OPTIONS: [NODE_OPTIONS, env['NODE_OPTIONS'] ?? ''].join(' ') };
    const child = Child.node(file, { args, env: options, ipc: true, nodeArgs: ['--expose-gc'] });
    const member = new Member(name, tier, child, link.control ? BEHIND : '127.0.0.1');
    this.#members.add(member);
    const end = (): void => {
      writeFileSync(join(folder, 'logs', `${name}.log`), child.stderr);
      this.#past.push(member.life);
      this.#members.delete(member);
    };
    child.ended.then(end, end);
    return member;
  }
}
