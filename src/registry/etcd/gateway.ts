import { isObject, type Json } from '../../json.ts';
import { HttpClient, HttpError, type HttpOptions } from '../http.ts';
import type { Failure } from '../registry.ts';

/** One key with its value. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

/** A range of keys at a revision. */
export interface Range {
  readonly revision: bigint;
  readonly entries: readonly KeyValue[];
}

/** One message of a watch. */
export interface WatchMessage {
  /** Revision of the whole store. */
  readonly revision: bigint;
  /** The first message: the watch has begun. */
  readonly isCreated: boolean;
  /** The server has forgotten the changes since the requested revision, and has ended the watch. */
  readonly isCompacted: boolean;
  /** Why else the server has ended the watch, for example because the permission is gone. */
  readonly canceled: string | undefined;
  /**
   * Changes in their order; without a value: deleted. Each with its own revision, because a server that catches up sends
   * them in parts, all of which name the revision of the whole store.
   */
  readonly changes: readonly { readonly key: string; readonly value: string | undefined; readonly revision: bigint }[];
}

export interface GatewayOptions extends Omit<HttpOptions, 'headers'> {
  readonly user: Credentials | undefined;
}

interface Credentials {
  readonly name: string;
  readonly password: string;
}

/** Statuses of a lease that is gone. */
const GONE = 404;

/** Text with which etcd refuses, as a bad request, tokens (JWT) older than the last change of its users and roles. */
const OLD_TOKEN = 'revision of auth store is old';

/**
 * The JSON gateway of etcd v3 (3.4 and later, path `/v3`): keys and values are base64, 64-bit numbers are text, and fields
 * that are zero are left out.
 */
export class EtcdGateway {
  readonly #http: HttpClient;
  readonly #user: GatewayOptions['user'];
  #token: string | undefined;
  #authenticating: Promise<void> | undefined;

  constructor({ user, ...options }: GatewayOptions) {
    this.#user = user;
    this.#http = new HttpClient({ ...options, headers: () => (this.#token ? { authorization: this.#token } : {}) });
  }

  get failure(): Failure | undefined {
    return this.#http.failure;
  }

  /** The entries whose keys begin with `prefix`. */
  async range(prefix: string): Promise<Range> {
    const { header, kvs } = await this.#call('/v3/kv/range', { key: encode(prefix), range_end: endOf(prefix) });
    return { revision: revisionOf(header), entries: listOf(kvs).map(keyValueOf) };
  }

  /** @returns false when the lease is gone */
  put({ key, value }: KeyValue, lease: string): Promise<boolean> {
    return this.#leased('/v3/kv/put', { key: encode(key), value: encode(value), lease });
  }

  /** Writes the entry when there is none. @returns false when the lease is gone */
  putMissing({ key, value }: KeyValue, lease: string): Promise<boolean> {
    return this.#leased('/v3/kv/txn', {
      compare: [{ key: encode(key), target: 'CREATE', result: 'EQUAL', create_revision: '0' }],
      success: [{ request_put: { key: encode(key), value: encode(value), lease } }],
    });
  }

  async delete(key: string): Promise<void> {
    await this.#call('/v3/kv/deleterange', { key: encode(key) });
  }

  /** @returns the id of a lease that ends after these seconds unless kept alive */
  async grant(seconds: number): Promise<string> {
    const { ID } = await this.#call('/v3/lease/grant', { TTL: seconds });
    if (typeof ID !== 'string') throw new Error('etcd has granted a lease without an id');
    return ID;
  }

  /** @returns false when the lease is gone */
  async keepAlive(lease: string): Promise<boolean> {
    const { result } = await this.#call('/v3/lease/keepalive', { ID: lease });
    return Number(recordOf(result)['TTL'] ?? 0) > 0;
  }

  /** Ends a lease; its entries go with it, and nothing can be written under it again. */
  async revoke(lease: string): Promise<void> {
    await this.#leased('/v3/lease/revoke', { ID: lease });
  }

  /** Follows the keys that begin with `prefix` for this time, or until `onMessage` returns false. */
  async watch(
    prefix: string,
    options: { readonly from: bigint; readonly lastsMs: number; readonly signal: AbortSignal },
    onMessage: (message: WatchMessage) => boolean,
  ): Promise<void> {
    const create_request = { key: encode(prefix), range_end: endOf(prefix), start_revision: String(options.from) };
    const { lastsMs, signal } = options;
    // Makes a member that has lost its leader end the watch; otherwise it would stay silent.
    const headers = { 'grpc-metadata-hasleader': 'true' };
    await this.#authenticated(() =>
      this.#http.lines(
        { method: 'POST', path: '/v3/watch', headers, body: JSON.stringify({ create_request }), lastsMs, signal },
        (line) => onMessage(watchMessageOf(recordOf(line), this.#http)),
      ),
    );
  }

  async #leased(path: string, body: object): Promise<boolean> {
    try {
      await this.#call(path, body);
      return true;
    } catch (thrown) {
      if ((thrown as HttpError).status === GONE) return false;
      throw thrown;
    }
  }

  async #call(path: string, body: object): Promise<Json> {
    const call = { method: 'POST', path, body: JSON.stringify(body) } as const;
    return recordOf(await this.#authenticated(() => this.#http.json(call)));
  }

  /** Tokens end after minutes without use, with a restart of the server, or when users change: a refused one is replaced once. */
  async #authenticated<T>(call: () => Promise<T>): Promise<T> {
    const user = this.#user;
    if (user === undefined) return call();
    if (this.#token === undefined) await this.#logIn(user);
    const used = this.#token;
    try {
      return await call();
    } catch (thrown) {
      if (!isTokenRefused(thrown as HttpError)) throw thrown;
      if (this.#token === used) await this.#logIn(user);
      return call();
    }
  }

  /** Shared by all calls that need it, because a server takes long to compare a password. */
  #logIn(user: Credentials): Promise<void> {
    this.#authenticating ??= this.#authenticate(user).finally(() => {
      this.#authenticating = undefined;
    });
    return this.#authenticating;
  }

  async #authenticate({ name, password }: Credentials): Promise<void> {
    const body = JSON.stringify({ name, password });
    try {
      const { token } = recordOf(await this.#http.json({ method: 'POST', path: '/v3/auth/authenticate', body }));
      this.#token = String(token);
    } catch (thrown) {
      if ((thrown as HttpError).status !== 400) throw thrown;
      throw new HttpError(`etcd refuses the user ${JSON.stringify(name)} or its password`, 401);
    }
  }
}

function isTokenRefused({ status, message }: HttpError): boolean {
  return status === 401 || message.includes(OLD_TOKEN);
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

function decode(value: unknown): string {
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString() : '';
}

/** The first key that does not begin with `prefix`. */
function endOf(prefix: string): string {
  const bytes = Buffer.from(prefix);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1;
  return bytes.toString('base64');
}

function keyValueOf(value: unknown): KeyValue {
  const kv = recordOf(value);
  return { key: decode(kv['key']), value: decode(kv['value']) };
}

function watchMessageOf(line: Json, http: HttpClient): WatchMessage {
  const { message } = recordOf(line['error']);
  if (message !== undefined) throw new Error(`the watch has ended: ${http.excerpt(message)}`);
  const { header, created, canceled, cancel_reason, compact_revision, events } = recordOf(line['result']);
  return {
    revision: revisionOf(header),
    isCreated: created === true,
    isCompacted: compact_revision !== undefined,
    canceled: canceled === true ? http.excerpt(cancel_reason ?? 'no reason') : undefined,
    changes: listOf(events).map((event) => {
      const { type, kv } = recordOf(event);
      const { key, value } = keyValueOf(kv);
      return { key, value: type === 'DELETE' ? undefined : value, revision: numberOf(recordOf(kv)['mod_revision']) };
    }),
  };
}

function revisionOf(header: unknown): bigint {
  return numberOf(recordOf(header)['revision']);
}

function numberOf(revision: unknown): bigint {
  return typeof revision === 'string' && /^\d{1,19}$/.test(revision) ? BigInt(revision) : 0n;
}

function recordOf(value: unknown): Json {
  return isObject(value) ? value : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
