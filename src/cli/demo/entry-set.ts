import { join } from 'node:path';
import { establishedAt } from '../../provider/entry/entry-ports.ts';
import type { DemoSet, Shutdown } from './demo-set.ts';
import { freePorts } from './free-ports.ts';
import { type Counts, Load } from './load.ts';
import { Member } from './member.ts';
import { DemoProxy } from './proxy.ts';
import { template } from './template.ts';

/** The name of the service in traces. */
const SERVICE = 'service-orders';

/** Addresses of the hosts in the file of the balancer. */
const EXAMPLES = ['10.0.0.11:80', '10.0.0.12:80'] as const;

/** Clients that share the rate, each with connections of its own. */
const FAST_CLIENTS = 16;

/** Clients that hold a connection and seldom send, and the requests a second of each. */
const SLOW_CLIENTS = 20;
const SLOW_RATE = 1 / 3;

/** Uncounted requests before the load. */
const FIRST_REQUESTS = 8;

/** Two checks of the balancer, a second apart, in milliseconds: it notices a host that leaves within this time. */
const CHECK_MS = 2_000;

/** One way of running the hosts. */
export interface EntrySetOptions {
  /** `base` or `gray`. */
  readonly name: string;
  /** Variables of the plugin; undefined for the hand-written set. */
  readonly env: Readonly<Record<string, string>> | undefined;
  readonly directory: string;
  readonly message: (text: string) => void;
}

/** One host: an application, and nginx beside it. */
interface Host {
  readonly folder: string;
  readonly ports: { readonly application: number; readonly control: number; readonly entry: number };
  application: Member;
}

/** Clients without the plugin -> HAProxy -> nginx beside each of two applications -> application, with the files of `deploy/`. */
export class EntrySet implements DemoSet {
  readonly #options: EntrySetOptions;
  readonly #hosts: Host[] = [];
  readonly #running = new Set<Pick<Member, 'kill'>>();
  readonly #shutdowns: Shutdown[] = [];
  #loads: readonly Load[] = [];
  #rolled = 0;
  #starts = 0;

  constructor(options: EntrySetOptions) {
    this.#options = options;
  }

  get counts(): Counts {
    const all = this.#loads.map(({ counts }) => counts);
    const reasons: Record<string, number> = {};
    for (const [reason, times] of all.flatMap((one) => Object.entries(one.reasons)))
      reasons[reason] = (reasons[reason] ?? 0) + times;
    const sum = (of: 'requests' | 'failed') => all.reduce((total, one) => total + one[of], 0);
    return { requests: sum('requests'), failed: sum('failed'), reasons };
  }

  get shutdowns(): readonly Shutdown[] {
    return this.#shutdowns;
  }

  get starts(): number {
    return this.#starts;
  }

  async start(): Promise<void> {
    const [balancer = 0, ...ports] = await freePorts(1 + 3 * EXAMPLES.length);
    for (const n of EXAMPLES.keys()) {
      const [application = 0, control = 0, entry = 0] = ports.slice(3 * n);
      const place = { folder: join(this.#options.directory, `host-${n + 1}`), ports: { application, control, entry } };
      await this.#place(new DemoProxy(this.#nginx(place)));
      this.#hosts.push({ ...place, application: await this.#launch(place) });
    }
    const entries = this.#hosts.map(({ ports: { entry } }, n) => [EXAMPLES[n], `127.0.0.1:${entry}`]);
    const config = template('haproxy-front-tcp.cfg', {
      'bind :80': `bind 127.0.0.1:${balancer}`,
      ...Object.fromEntries(entries),
    });
    const directory = join(this.#options.directory, 'balancer');
    await this.#place(new DemoProxy({ name: 'haproxy', config, directory, port: balancer }));
    const target = new URL(`http://127.0.0.1:${balancer}/work`);
    this.#loads = Array.from({ length: FAST_CLIENTS + SLOW_CLIENTS }, () => new Load(target));
    await this.#loads[0]?.warmUp(FIRST_REQUESTS);
  }

  startLoad(perSecond: number): void {
    for (const [n, load] of this.#loads.entries()) {
      if (n < FAST_CLIENTS) load.start(perSecond / FAST_CLIENTS);
      // One after the other, so that their requests do not come together.
      else setTimeout(() => load.start(SLOW_RATE), ((n - FAST_CLIENTS) / SLOW_CLIENTS / SLOW_RATE) * 1_000).unref();
    }
  }

  async stopLoad(): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.stop()));
  }

  /** Restarts the application of the next host, in turn. */
  async roll(): Promise<void> {
    const host = this.#hosts[this.#rolled++ % this.#hosts.length] as Host;
    const begun = performance.now();
    await host.application.leave();
    const durationMs = performance.now() - begun;
    const connectionsLeft = await establishedAt(new Set([host.ports.entry]));
    this.#shutdowns.push({ service: SERVICE, durationMs, connectionsLeft });
    host.application = await this.#launch(host);
  }

  async close(): Promise<void> {
    await this.stopLoad();
    await Promise.all([...this.#running].map((one) => one.kill()));
  }

  async #launch({ folder, ports }: Omit<Host, 'application'>): Promise<Member> {
    const { env, message, name } = this.#options;
    const status = join(folder, 'ready');
    const member = new Member({
      program: 'entry-service',
      name: `${name} ${SERVICE}`,
      args: [`${ports.application}`, ...(env === undefined ? [status] : [])],
      env: {
        ...env,
        OTEL_SERVICE_NAME: SERVICE,
        ...(env !== undefined && {
          LOSSLESS_CONTROL_PORT: `${ports.control}`,
          LOSSLESS_STATUS_FILE: status,
          LOSSLESS_ENTRY_PORTS: `${ports.entry}`,
          LOSSLESS_ENTRY_CHECK_MS: `${CHECK_MS}`,
        }),
      },
      controlHost: env === undefined ? undefined : '127.0.0.1',
      message,
    });
    this.#running.add(member);
    await member.ready();
    this.#starts++;
    return member;
  }

  async #place(proxy: DemoProxy): Promise<void> {
    this.#running.add(proxy);
    await proxy.ready();
  }

  #nginx({ folder, ports }: Omit<Host, 'application'>) {
    const byHand = {
      // Without the plugin, only the balancer's check reads the flag, and there is no control port to ask.
      'if (!-f /run/orders/ready) { return 418; }': '',
      '127.0.0.1:54199/readiness': `127.0.0.1:${ports.application}/`,
    };
    const config = template('nginx-beside.conf', {
      ...(this.#options.env === undefined ? byHand : { '127.0.0.1:54199': `127.0.0.1:${ports.control}` }),
      'listen 80;': `listen 127.0.0.1:${ports.entry};`,
      '127.0.0.1:8080': `127.0.0.1:${ports.application}`,
      '/run/orders': folder,
    });
    return { name: 'nginx', config, directory: folder, port: ports.entry } as const;
  }
}
