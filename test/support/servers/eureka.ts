import { until } from '../until.ts';
import { freePort } from './built.ts';
import { JavaServer } from './java.ts';

export interface EurekaOptions {
  /** False keeps the defaults of Spring Cloud, including lists that are half a minute old. */
  readonly isFast?: boolean;
  /** Allowed user, as `name:password`; absent when everybody may use it. */
  readonly user?: string;
  /** Ports of its peers; it starts without waiting for them. */
  readonly peers?: readonly number[];
  /** Default: a free port. */
  readonly port?: number;
}

/** Caches hold for at most a second, and an entry without heartbeats is removed within a second. */
const FAST = [
  '--eureka.server.response-cache-auto-expiration-in-seconds=1',
  '--eureka.server.use-read-only-response-cache=false',
  '--eureka.server.enable-self-preservation=false',
  '--eureka.server.eviction-interval-timer-in-ms=1000',
];

/** A Eureka server, mostly without peers; it can be stopped and started again on the same port, without its data. */
export class Eureka {
  readonly port: number;
  readonly #java = new JavaServer('eureka');
  readonly #options: EurekaOptions;

  private constructor(port: number, options: EurekaOptions) {
    this.port = port;
    this.#options = options;
  }

  static async start(options: EurekaOptions = {}): Promise<Eureka> {
    const eureka = new Eureka(options.port ?? (await freePort()), options);
    try {
      await eureka.start();
    } catch (thrown) {
      await eureka.close();
      throw thrown;
    }
    return eureka;
  }

  /** Its URL for foreign clients. */
  get zone(): string {
    return zoneOf(this.port);
  }

  get url(): string {
    return `eureka://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const { isFast = true, user, peers = [] } = this.#options;
    const [name, password] = user?.split(':') ?? [];
    const child = this.#java.start(
      [],
      [
        'lossless.Eureka',
        '--server.address=127.0.0.1',
        `--server.port=${this.port}`,
        '--spring.main.banner-mode=off',
        '--eureka.client.register-with-eureka=false',
        '--eureka.client.fetch-registry=false',
        '--eureka.instance.hostname=127.0.0.1',
        // Without its own address it would have a peer on the default port.
        `--eureka.client.service-url.defaultZone=${[this.port, ...peers].map(zoneOf)}`,
        `--eureka.server.my-url=${this.zone}`,
        ...(isFast ? FAST : []),
        ...(user ? ['--spring.profiles.active=users'] : []),
        ...(user ? [`--spring.security.user.name=${name}`, `--spring.security.user.password=${password}`] : []),
      ],
    );
    // Asks for one application, because asking for all would fill the server's cache.
    const answers = (): Promise<boolean> =>
      this.call('GET', '/apps/NONE').then(
        () => true,
        () => false,
      );
    await Promise.race([until(answers, 90_000), child.ended]);
    if (!(await answers())) throw new Error(`Eureka has ended\n${child.stdout}${child.stderr}`);
  }

  /** Kills it; all of its data is lost. */
  async stop(): Promise<void> {
    await this.#java.stop();
  }

  /** Calls its API, with a path that begins with `/apps`; resolves with the JSON of the answer, undefined for 404 or an empty one. */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    const { user } = this.#options;
    const response = await fetch(`http://127.0.0.1:${this.port}/eureka${path}`, {
      method,
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        ...(user && { authorization: `Basic ${Buffer.from(user).toString('base64')}` }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  async close(): Promise<void> {
    await this.#java.close();
  }
}

function zoneOf(port: number): string {
  return `http://127.0.0.1:${port}/eureka/`;
}
