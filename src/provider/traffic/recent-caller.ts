import type { CallProtocol } from '../../lifecycle/outcomes.ts';
import type { Caller } from '../../protocol/identity.ts';
import { Rhythm } from './rhythm.ts';

/** How long a request that a consumer had on its way when it acked may take to arrive, in milliseconds. */
const ON_ITS_WAY_MS = 5_000;

/** How one caller is told, in one offline, that this instance leaves. An undone offline goes on writing into its own. */
export class Telling {
  told: 'telling' | 'acked' | 'failed' | 'gone' | 'cancelled' = 'telling';
  /** It has nobody else to call, so it goes on calling this instance. */
  stranded = false;
  #onTheirWay = 0;
  #until = 0;

  /**
   * It has acked.
   *
   * @param onTheirWay its requests that are not finished and have not arrived here
   * @param now monotonic time, in milliseconds
   */
  acked(onTheirWay: number, stranded: boolean, now: number): void {
    this.told = 'acked';
    this.stranded = stranded;
    this.#onTheirWay = Math.max(0, onTheirWay);
    this.#until = now + ON_ITS_WAY_MS;
  }

  /** It has nothing outstanding and has somebody else to call. */
  idle(): void {
    this.stranded = false;
    this.#onTheirWay = 0;
  }

  /** Whether a request that arrives now breaks the promise of the ack. */
  isBrokenBy(now: number): boolean {
    if (this.told !== 'acked' || this.stranded) return false;
    if (this.#onTheirWay === 0 || now > this.#until) return true;
    this.#onTheirWay--;
    return false;
  }
}

/** A connection, as far as its caller is asked for what is unfinished, and by what it calls. */
export interface OpenConnection {
  readonly inflight: number;
  readonly protocol: CallProtocol;
}

/** Where a caller was seen: the two ends of its connection. */
export interface Ends {
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
  /** The server that has accepted it, as Node.js puts it on the socket. */
  readonly server?: { readonly keepAliveTimeout?: number } | undefined;
}

/** One process that called this instance, with an address to notify. */
export class RecentCaller {
  /** Renewed when the process restarts under the same id. */
  caller: Caller;
  /** Where its control server is. */
  readonly address: string;
  /** The address of ours under which it knows this instance; undefined when it has named an address of its own. */
  localAddress: string | undefined;
  /** Its connections that are open now. */
  readonly connections = new Set<OpenConnection>();
  /** By what it has called. */
  readonly protocols = new Set<CallProtocol>();
  /** Monotonic time at which the last connection closed. */
  closedAt = 0;
  /** Undefined when it has been told nothing. */
  telling: Telling | undefined;
  /** Whether its control server has answered as this very process; undefined until it was asked. */
  reached: boolean | undefined;
  readonly rhythm = new Rhythm();

  constructor(caller: Caller, { remoteAddress = '', localAddress }: Ends) {
    this.caller = caller;
    this.address = caller.host ?? remoteAddress;
    this.localAddress = caller.host === undefined ? localAddress : undefined;
  }

  /** How many of its connections are open. */
  get open(): number {
    return this.connections.size;
  }

  /** Its requests that are not finished here. */
  get inflight(): number {
    let sum = 0;
    for (const { inflight } of this.connections) sum += inflight;
    return sum;
  }
}
