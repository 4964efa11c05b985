import type { Peer } from '../../io/connect.ts';

/** Longest answer time, in milliseconds. */
export const TIMEOUT_MS = 2_000;

/** User agent that marks the health check of a platform. */
export const AGENT = 'kube-probe/lossless';

/** Certificates are not checked, because this process asks itself. */
export const UNCHECKED = { rejectUnauthorized: false };

/** Protocol of a port. */
export type Scheme = 'http' | 'https';

/** Address at which this process reaches the application. */
export interface ProbeTarget {
  readonly at: Peer;
  readonly scheme: Scheme;
}

/** The application's answer to a probe. */
export interface Answer {
  /** The instance may be registered. */
  readonly isGood: boolean;
  /** For people: its status, or why there was none. */
  readonly said: string;
  /** HTTP status. */
  readonly statusCode?: number;
}
