import type { Clock } from '../../lifecycle/clock.ts';

/** Longest answer time, in milliseconds. */
const TIMEOUT_MS = 2_000;

/** What a port speaks. */
export type Scheme = 'http' | 'https';

/** Where the application listens, as this process reaches it: a host and a port, or the path of a Unix socket. */
export interface ProbeTarget {
  readonly at: { readonly host: string; readonly port: number } | { readonly socketPath: string };
  readonly scheme: Scheme;
}

/**
 * Asks the application for `path` once, as a platform's health check does. Certificates are not checked: it asks this very
 * process.
 *
 * @returns the status, or why there was none. Never rejects
 */
export async function probe({ at, scheme }: ProbeTarget, path: string, clock: Clock): Promise<number | string> {
  const { request } = scheme === 'https' ? await import('node:https') : process.getBuiltinModule('node:http');
  return new Promise((resolve) => {
    const call = request({
      ...at,
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

/** Whether an answer to the probe is a good one. */
export function isGood(answer: number | string): boolean {
  return typeof answer === 'number' && answer >= 200 && answer < 300;
}
