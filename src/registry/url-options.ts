import { LosslessError } from '../errors.ts';
import type { Server, TlsFiles } from '../io/connect.ts';
import { readLinked } from '../io/small-file.ts';
import { hostPort } from '../protocol/host-port.ts';
import { Secrets } from './secrets.ts';

/**
 * The options in the query of a registry's URL. The adapter reads each once; an option that it does not read is an error.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_URL from every method; no message holds a value
 */
export class UrlOptions {
  readonly url: URL;
  readonly #secrets: Secrets;
  readonly #asked = new Set<string>();

  /** @param secrets gets the secrets of the URL */
  constructor(url: URL, secrets: Secrets = new Secrets()) {
    this.url = url;
    this.#secrets = secrets;
  }

  /** The host of the URL, for a registry that has one server. */
  server(defaultPort: number): Server {
    const { hostname, port } = this.url;
    if (hostname === '') throw this.#bad(`${this.url.protocol}//host:port`);
    return { host: this.#decode(hostname).replace(/^\[|\]$/g, ''), port: Number(port) || defaultPort };
  }

  /** The host of the URL and those of `server=host:port`, which may be repeated. */
  servers(defaultPort: number): readonly Server[] {
    this.#asked.add('server');
    const further = this.url.searchParams.getAll('server').map((server) => this.#server(server, defaultPort));
    return [this.server(defaultPort), ...further];
  }

  /** Undefined when it is absent or empty. */
  text(name: string): string | undefined {
    this.#asked.add(name);
    return this.url.searchParams.get(name) || undefined;
  }

  integer(name: string, fallback: number, least: number, most: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw this.#bad(`${name} to be a whole number from ${least} to ${most}`);
    return value;
  }

  flag(name: string, fallback: boolean): boolean {
    const text = this.text(name);
    if (text !== undefined && text !== 'true' && text !== 'false') throw this.#bad(`${name} to be true or false`);
    return text === undefined ? fallback : text === 'true';
  }

  /** `user:password@` of the URL. */
  user(): { readonly name: string; readonly password: string } | undefined {
    const { username, password } = this.url;
    if (username === '') return undefined;
    const user = { name: this.#decode(username), password: this.#decode(password) };
    this.#secrets.add(user.password);
    this.#secrets.add(`${user.name}:${user.password}`);
    return user;
  }

  /** A secret in the URL, or in the file that `<name>File` names; read again for each call, because it may rotate. */
  secret(name: string): (() => string) | undefined {
    const [text, path] = [this.text(name), this.text(`${name}File`)];
    if (text !== undefined && path !== undefined) throw this.#bad(`one of ${name} and ${name}File`);
    if (path !== undefined) return () => readLinked(path).trim();
    if (text === undefined) return undefined;
    this.#secrets.add(text);
    return () => text;
  }

  /** `tls=true`, and the files `ca`, `cert` and `key`, each of which means TLS too. */
  tls(fallback = false): TlsFiles | undefined {
    const [ca, cert, key] = [this.text('ca'), this.text('cert'), this.text('key')];
    const isWanted = this.flag('tls', fallback || ca !== undefined || cert !== undefined);
    if ((cert === undefined) !== (key === undefined)) throw this.#bad('cert and key together');
    if (!isWanted) return undefined;
    return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  }

  /** Call last, after all options are read. */
  done(): void {
    const unknown = [...this.url.searchParams.keys()]
      .filter((name) => !this.#asked.has(name))
      .map((name) => (/^[A-Za-z]{1,20}$/.test(name) ? name : '***'));
    if (unknown.length > 0)
      throw this.#bad(`the options ${[...this.#asked].sort().join(', ')}; received ${unknown.join(', ')} too`);
  }

  #server(text: string, defaultPort: number): Server {
    const url = URL.parse(`registry://${text}`);
    if (url === null || url.hostname === '') throw this.#bad('server to be host:port');
    return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || defaultPort };
  }

  #decode(text: string): string {
    try {
      return decodeURIComponent(text);
    } catch {
      throw this.#bad('host, user and password to be percent-encoded');
    }
  }

  #bad(expected: string): LosslessError {
    return new LosslessError('LOSSLESS_REGISTRY_URL', `in the ${this.url.protocol} URL, expected ${expected}`);
  }
}

/** `host:port`, comma-separated: the name of a registry for people. */
export function addressOf(servers: readonly Server[]): string {
  return servers.map(hostPort).join(',');
}
