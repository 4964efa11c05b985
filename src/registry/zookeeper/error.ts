/** Refusals that are answers. */
export const NO_NODE = -101;
export const NODE_EXISTS = -110;

/** Refusals after which a connection cannot be used any more. */
const SESSION_EXPIRED = -112;
const SESSION_MOVED = -118;

/** Refusals in words, by their number. */
const REFUSALS: Readonly<Record<number, string>> = {
  [-8]: 'the server refuses such a path',
  [-6]: 'the server does not know this operation; ZooKeeper 3.6 or later is needed',
  [-102]: 'the registry refuses these credentials (NOAUTH)',
  [SESSION_EXPIRED]: 'the session has expired',
  [-115]: 'the registry refuses these credentials (AUTHFAILED)',
  [SESSION_MOVED]: 'the session has moved to another server',
};

/** A server that refuses. */
export class ZooKeeperError extends Error {
  readonly code: number;

  constructor(what: string, code: number) {
    super(`${what}: ${REFUSALS[code] ?? `error ${code}`}`);
    this.name = 'ZooKeeperError';
    this.code = code;
  }

  /** The connection cannot be used any more. */
  get endsSession(): boolean {
    return this.code === SESSION_EXPIRED || this.code === SESSION_MOVED;
  }
}

/** The session to resume does not exist any more, and its entries are gone. */
export class SessionExpired extends Error {}
