import type { Clock } from '../lifecycle/clock.ts';

/** Longest answer time, in milliseconds. */
const TIMEOUT_MS = 2_000;

/** Where the application listens, as this process reaches it. */
export interface ProbeTarget {
  readonly host: string;
  readonly port: number;
  readonly scheme: 'http' | 'https';
}

/**
 * Asks the application for `path` once, as a platform's health check does. Certificates are not checked: it asks this very
 * process.
 *
 * @returns the status, or why there was none. Never rejects
 */
export async function probe({ host, port, scheme }: ProbeTarget, path: string, clock: Clock): Promise<number | string> {
  const { request } = scheme === 'https' ? await import('node:https') : process.getBuiltinModule('node:http');
  return new Promise((resolve) => {
    const call = request({
      host,
      port,
      path,
      agent: false,
      rejectUnauthorized: false,
      headers: { 'user-agent': 'kube-probe/lossless' },
    });
    const timer = clock.after(TIMEOUT_MS, () => call.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    call.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.on('error', (error) => resolve(error.message));
    call.on('close', () => timer.cancel());
    call.end();
  });
}
