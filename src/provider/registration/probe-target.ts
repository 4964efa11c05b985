import type { Peer } from '../../io/connect.ts';

/** Longest answer time, in milliseconds. */
export const TIMEOUT_MS = 2_000;

/** By which the plugin, and others, know a platform's health check. */
export const AGENT = 'kube-probe/lossless';

/** Certificates are not checked: this process asks itself. */
export const UNCHECKED = { rejectUnauthorized: false };

/** What a port speaks. */
export type Scheme = 'http' | 'https';

/** Where the application listens, as this process reaches it. */
export interface ProbeTarget {
  readonly at: Peer;
  readonly scheme: Scheme;
}

/** What the application says to a probe. */
export interface Answer {
  /** It may be registered. */
  readonly isGood: boolean;
  /** For people: its status, or why there was none. */
  readonly said: string;
  /** Of HTTP. */
  readonly statusCode?: number;
}
