import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate authority for tests. */
export class Authority {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
    this.#openssl(['req', '-x509', ...KEY, '-days', '2', '-subj', '/CN=fleet', '-keyout', 'ca.key', '-out', 'ca.crt']);
  }

  get ca(): Buffer {
    return readFileSync(join(this.#directory, 'ca.crt'));
  }

  /**
   * Writes `tls.crt`, `tls.key` and `ca.crt` into a directory.
   *
   * @param names in the form of a certificate, for example `IP:127.0.0.1`
   */
  issue(into: string, names = 'IP:127.0.0.1'): string {
    mkdirSync(into, { recursive: true });
    const [key, request, cert, extensions] = ['tls.key', 'tls.csr', 'tls.crt', 'extensions'].map((name) =>
      join(into, name),
    ) as [string, string, string, string];
    this.#openssl(['req', ...KEY, '-subj', '/CN=instance', '-keyout', key, '-out', request]);
    writeFileSync(extensions, `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
    const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', extensions];
    this.#openssl(['x509', '-req', '-in', request, ...signed, '-out', cert]);
    copyFileSync(join(this.#directory, 'ca.crt'), join(into, 'ca.crt'));
    return into;
  }

  #openssl(args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#directory, stdio: 'ignore' });
  }
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
