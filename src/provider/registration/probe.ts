import { asError } from '../../errors.ts';
import type { Peer } from '../../io/connect.ts';
import { request } from '../../io/request.ts';
import type { Clock } from '../../lifecycle/clock.ts';

/** Longest answer time, in milliseconds. */
const TIMEOUT_MS = 2_000;

/** What a port speaks. */
export type Scheme = 'http' | 'https';

/** Where the application listens, as this process reaches it. */
export interface ProbeTarget {
  readonly at: Peer;
  readonly scheme: Scheme;
}

/** Certificates are not checked: this process asks itself. */
export const UNCHECKED = { rejectUnauthorized: false };

/** Longest rest of an answer that is read, so that the application is not cut off, in bytes. */
const LONGEST_ANSWER = 1_024 * 1_024;

/**
 * Asks the application for `path` once, as a platform's health check does.
 *
 * @returns the status, or why there was none. Never rejects
 */
export function probe({ at, scheme }: ProbeTarget, path: string, clock: Clock): Promise<number | string> {
  const asked = {
    clock,
    to: at,
    tls: scheme === 'https' ? UNCHECKED : undefined,
    path,
    headers: { 'user-agent': 'kube-probe/lossless' },
    timeoutMs: TIMEOUT_MS,
  };
  return new Promise((resolve) => {
    request(asked, (answer) => {
      resolve(answer.status);
      return answer.text(LONGEST_ANSWER);
    }).catch((thrown) => resolve(asError(thrown).message));
  });
}

/** Whether an answer to the probe is a good one. */
export function isGood(answer: number | string): boolean {
  return typeof answer === 'number' && answer >= 200 && answer < 300;
}
