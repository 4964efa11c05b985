import { type Json, parseObject } from '../../json.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { type Answer, HttpClient, HttpError, type HttpOptions } from '../http.ts';
import type { Failure } from '../registry.ts';
import type { NacosEntry } from './entry.ts';

export interface NacosOptions extends Omit<HttpOptions, 'headers'> {
  /** Undefined: `public`. */
  readonly namespace: string | undefined;
  readonly group: string;
  /** Comma-separated: registrations go to the first, lists come from all. */
  readonly clusters: string;
  /** Path of the server, for example `/nacos`. */
  readonly base: string;
  readonly user: { readonly name: string; readonly password: string } | undefined;
}

interface Operation {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly parameters?: Readonly<Record<string, string>>;
}

/** One of the two APIs for clients. */
interface Generation {
  readonly login: Operation;
  readonly register: Operation;
  readonly beat: Operation;
  readonly remove: Operation;
  readonly list: Operation;
}

/** Nacos 3.0 and later. */
const V3: Generation = {
  login: { method: 'POST', path: '/v3/auth/user/login' },
  register: { method: 'POST', path: '/v3/client/ns/instance' },
  beat: { method: 'POST', path: '/v3/client/ns/instance', parameters: { heartBeat: 'true' } },
  remove: { method: 'DELETE', path: '/v3/client/ns/instance' },
  list: { method: 'GET', path: '/v3/client/ns/instance/list' },
};

/** Nacos 1.x and 2.x. Its heartbeat names only the instance, because a full `beat` would register a removed one again. */
const V1: Generation = {
  login: { method: 'POST', path: '/v1/auth/login' },
  register: { method: 'POST', path: '/v1/ns/instance' },
  beat: { method: 'PUT', path: '/v1/ns/instance/beat' },
  remove: { method: 'DELETE', path: '/v1/ns/instance' },
  list: { method: 'GET', path: '/v1/ns/instance/list' },
};

/** Statuses of a server without this API; the last one is for a path without that method. */
const ABSENT = [404, 410, 501];

/** Codes of success: of v3, and of a heartbeat of v1. Lists of v1 have none. */
const FINE: readonly unknown[] = [0, 200, 10_200, undefined];

/** Codes for an unknown instance, of v1 and of v3. */
const UNKNOWN: readonly unknown[] = [20_404, 21_003];

/** Part of its life after which a token is renewed, and the wait after a failed renewal, in milliseconds. */
const RENEW_AFTER = 0.8;
const RENEW_AGAIN_MS = 10_000;

/** The HTTP API of Nacos, of the generation that the server speaks. */
export class NacosApi {
  readonly #http: HttpClient;
  readonly #options: NacosOptions;
  readonly #clock: Clock;
  #generation: Generation = V3;
  #token: { readonly text: string; readonly renewAt: number } | undefined;
  #loggingIn: Promise<void> | undefined;

  constructor(options: NacosOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#http = new HttpClient({
      ...options,
      headers: () => (this.#token ? { accesstoken: this.#token.text } : {}),
    });
  }

  /** Headers for requests over gRPC: the token of the last login. */
  get credentials(): Readonly<Record<string, string>> {
    return this.#token ? { accessToken: this.#token.text } : {};
  }

  get failure(): Failure | undefined {
    return this.#http.failure;
  }

  /** @param isHealthy false: it takes traffic from its first heartbeat on */
  async register(service: string, { ip, port, weight, metadata }: NacosEntry, isHealthy: boolean): Promise<void> {
    await this.#ask('register', service, {
      ...this.#cluster,
      ip,
      port,
      weight,
      metadata,
      ephemeral: 'true',
      enabled: 'true',
      healthy: String(isHealthy),
    });
  }

  /** @returns false when the server knows no such instance */
  async beat(service: string, { ip, port }: NacosEntry): Promise<boolean> {
    const { code } = await this.#ask('beat', service, { ...this.#cluster, ip, port, ephemeral: 'true' });
    return !UNKNOWN.includes(code);
  }

  async remove(service: string, { ip, port }: NacosEntry): Promise<void> {
    await this.#ask('remove', service, { ...this.#cluster, ip, port, ephemeral: 'true' });
  }

  async list(service: string): Promise<readonly unknown[]> {
    const { clusters } = this.#options;
    // Each generation has its own name for them.
    const { data, hosts } = await this.#ask('list', service, { clusterName: clusters, clusters });
    const list = data ?? hosts;
    if (!Array.isArray(list)) throw new Error('the answer is not a list');
    return list;
  }

  get #cluster(): { readonly clusterName: string } {
    return { clusterName: this.#options.clusters.split(',')[0] ?? '' };
  }

  async #ask(name: Exclude<keyof Generation, 'login'>, service: string, more: Record<string, string>): Promise<Json> {
    const { namespace, group } = this.#options;
    const parameters = {
      serviceName: service,
      groupName: group,
      ...(namespace && { namespaceId: namespace }),
      ...more,
    };
    const answer = await this.#authorized(() =>
      this.#known((generation) => this.#send(generation[name], parameters, ABSENT)),
    );
    const json = read(answer.text);
    if (!FINE.includes(json['code']) && !UNKNOWN.includes(json['code']))
      throw new Error(`${name}: ${this.#http.excerpt(`code ${String(json['code'])}, ${String(json['message'])}`)}`);
    return json;
  }

  /** Uses the generation that worked last, and the other one when the server does not have it. */
  async #known(ask: (generation: Generation) => Promise<Answer>): Promise<Answer> {
    const first = this.#generation;
    const answer = await ask(first);
    if (!ABSENT.includes(answer.status)) return answer;
    const other = first === V3 ? V1 : V3;
    const second = await ask(other);
    if (ABSENT.includes(second.status))
      throw new Error(
        `the server has neither API of Nacos (status ${answer.status} and ${second.status}); check the path of the URL`,
      );
    this.#generation = other;
    return second;
  }

  /** With a token, if there is a user. A refused token is renewed once, because servers restart and keys change. */
  async #authorized(call: () => Promise<Answer>): Promise<Answer> {
    if (this.#options.user === undefined) return call();
    const isFresh = this.#token === undefined || this.#clock.now() > this.#token.renewAt;
    if (isFresh)
      await this.#logIn().catch((thrown) => {
        if (this.#token === undefined) throw thrown;
        // The token is still valid for a while.
        this.#token = { ...this.#token, renewAt: this.#clock.now() + RENEW_AGAIN_MS };
      });
    try {
      return await call();
    } catch (thrown) {
      const { status } = thrown as HttpError;
      if (isFresh || (status !== 401 && status !== 403)) throw thrown;
      await this.#logIn();
      return call();
    }
  }

  /** One login for all calls that wait for a token. */
  #logIn(): Promise<void> {
    this.#loggingIn ??= this.#askForToken().finally(() => {
      this.#loggingIn = undefined;
    });
    return this.#loggingIn;
  }

  async #askForToken(): Promise<void> {
    const { name: username = '', password = '' } = this.#options.user ?? {};
    const { text } = await this.#known(({ login }) => this.#send(login, { username, password }, ABSENT)).catch(
      (thrown: HttpError) => {
        // Nacos 2 answers an unknown user like this.
        if (thrown.status !== 500) throw thrown;
        throw new HttpError(`the registry refuses these credentials, or has failed: ${thrown.message}`, 500);
      },
    );
    const { data, ...rest } = read(text);
    const { accessToken, tokenTtl } = (data ?? rest) as { accessToken?: unknown; tokenTtl?: unknown };
    if (typeof accessToken !== 'string') throw new Error('the answer to the login holds no token');
    const lifeMs = Math.max(Number(tokenTtl) || 0, 1) * 1_000;
    this.#token = { text: accessToken, renewAt: this.#clock.now() + lifeMs * RENEW_AFTER };
  }

  #send(operation: Operation, more: Readonly<Record<string, string>>, expected: readonly number[]): Promise<Answer> {
    const { method, path } = operation;
    const parameters = new URLSearchParams({ ...more, ...operation.parameters }).toString();
    const whole = `${this.#options.base}${path}`;
    if (method !== 'POST') return this.#http.send({ method, path: `${whole}?${parameters}`, expected });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.#http.send({ method, path: whole, body: parameters, headers, expected });
  }
}

/** v1 says `ok` where it has nothing else to say. */
function read(text: string): Json {
  return text.trim() === 'ok' ? {} : parseObject(text, 'the answer');
}
