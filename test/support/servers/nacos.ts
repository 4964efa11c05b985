import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { until } from '../until.ts';
import { JavaServer } from './java.ts';
import { ready } from './ready.ts';

/** The differences between the two lines of Nacos. */
const LINES = {
  '2.5': {
    main: 'com.alibaba.nacos.Server',
    ready: '/nacos/v1/ns/instance/list?serviceName=a',
    first: '/nacos/v1/auth/users/admin',
    login: '/nacos/v1/auth/login',
    instance: '/v1/ns/instance',
    port: (port: number) => [`-Dserver.port=${port}`],
  },
  '3.1': {
    main: 'com.alibaba.nacos.bootstrap.Server',
    ready: '/nacos/v3/admin/core/state/readiness',
    first: '/nacos/v3/auth/user/admin',
    login: '/nacos/v3/auth/user/login',
    instance: '/v3/client/ns/instance',
    port: (port: number) => [`-Dnacos.server.main.port=${port}`, '-Dnacos.deployment.type=server'],
  },
} as const;

export type NacosLine = keyof typeof LINES;

export interface NacosOptions {
  /** Further properties. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Lists follow changes after 50 ms instead of 500 ms. */
  readonly fast?: boolean;
  /** Serves only users with a token; the first user is `nacos` with this password. */
  readonly password?: string;
}

/** A Nacos server on free ports; it can be stopped and started again on the same ones. */
export class Nacos {
  readonly port: number;
  readonly #line: NacosLine;
  readonly #options: NacosOptions;
  readonly #server: JavaServer;

  private constructor(port: number, line: NacosLine, options: NacosOptions) {
    this.port = port;
    this.#line = line;
    this.#options = options;
    this.#server = new JavaServer(`nacos-${line}`);
  }

  static async start(line: NacosLine, options: NacosOptions = {}): Promise<Nacos> {
    const nacos = new Nacos(await freeQuadruple(), line, options);
    await nacos.start();
    return nacos;
  }

  get url(): string {
    return `nacos://127.0.0.1:${this.port}`;
  }

  /** Path of the API for clients. */
  get instancePath(): string {
    return LINES[this.#line].instance;
  }

  /** @param more further properties of this start */
  async start(more: Readonly<Record<string, string>> = {}): Promise<void> {
    const { main, port, ready: path, first, login } = LINES[this.#line];
    const { directory } = this.#server;
    const { properties = {}, fast = false, password } = this.#options;
    const all = {
      'nacos.standalone': 'true',
      'nacos.home': directory,
      'nacos.server.ip': '127.0.0.1',
      'server.address': '127.0.0.1',
      'server.tomcat.accesslog.enabled': 'false',
      'server.tomcat.basedir': directory,
      'nacos.remote.grpc.listen.ip': '127.0.0.1',
      'nacos.functionMode': 'naming',
      ...(fast && { 'nacos.naming.push.pushTaskDelay': '50' }),
      ...(password && { 'nacos.core.auth.enabled': 'true', 'nacos.core.auth.admin.enabled': 'true' }),
      ...properties,
      ...more,
    };
    // Two jars contain com.caucho.hessian; with the other one first, the server does not start.
    const child = this.#server.start(
      ['app.jar', 'hessian-4.0.63.jar'],
      [...Object.entries(all).map(([name, value]) => `-D${name}=${value}`), ...port(this.port), main],
    );
    if (password === undefined) return ready(child, `http://127.0.0.1:${this.port}${path}`);
    const post = async (to: string, form: Record<string, string>): Promise<boolean> =>
      fetch(`http://127.0.0.1:${this.port}${to}`, { method: 'POST', body: new URLSearchParams(form) }).then(
        async (response) => {
          await response.text();
          return response.ok;
        },
        () => false,
      );
    await until(() => post(first, { password }), 60_000);
    await until(() => post(login, { username: 'nacos', password }), 60_000);
  }

  /** Kills it; ephemeral instances are lost. */
  stop(): Promise<void> {
    return this.#server.stop();
  }

  /** Calls its API with these parameters; resolves with the text of the answer. */
  async call(method: string, path: string, parameters: Readonly<Record<string, string>> = {}): Promise<string> {
    const query = new URLSearchParams(parameters).toString();
    const response = await fetch(`http://127.0.0.1:${this.port}/nacos${path}?${query}`, { method });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text;
  }

  close(): Promise<void> {
    return this.#server.close();
  }
}

/** A port P of which P - 1000, P + 1000 and P + 1001 are free too: Nacos computes them. */
async function freeQuadruple(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    const free = await Promise.all([port, port - 1_000, port + 1_000, port + 1_001].map(isFree));
    if (free.every(Boolean)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port === port));
  });
  const found = await listening;
  if (found) await new Promise((resolve) => server.close(resolve));
  return found;
}
