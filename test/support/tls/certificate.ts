import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScratchFolder } from '../scratch-folder.ts';

/** Makes a certificate for localhost, 127.0.0.1 and any service name. */
export async function certificate(): Promise<{ readonly key: Buffer; readonly cert: Buffer }> {
  const folder = new ScratchFolder();
  const [key, cert] = [join(folder.path, 'key.pem'), join(folder.path, 'cert.pem')];
  try {
    const names = 'subjectAltName=DNS:localhost,DNS:provider,IP:127.0.0.1';
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
    ];
    execFileSync('openssl', [...request, '-subj', '/CN=localhost', '-addext', names, '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    folder.remove();
  }
}
