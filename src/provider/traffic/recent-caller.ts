import type { CallProtocol } from '../../lifecycle/outcomes.ts';
import type { Caller } from '../../protocol/identity.ts';
import { Rhythm } from './rhythm.ts';

/** How long a request that a consumer had on its way when it acked may take to arrive, in milliseconds. */
const ON_ITS_WAY_MS = 5_000;

/** The state of one caller in one offline. An undone offline goes on writing into its own. */
export class Telling {
  told: 'telling' | 'acked' | 'failed' | 'gone' | 'cancelled' = 'telling';
  /** It has no other instance to call, so it keeps calling this one. */
  stranded = false;
  #onTheirWay = 0;
  #until = 0;

  /**
   * It has acked.
   *
   * @param onTheirWay its unfinished requests that have not arrived here
   * @param now monotonic time, in milliseconds
   */
  acked(onTheirWay: number, stranded: boolean, now: number): void {
    this.told = 'acked';
    this.stranded = stranded;
    this.#onTheirWay = Math.max(0, onTheirWay);
    this.#until = now + ON_ITS_WAY_MS;
  }

  /** It has nothing outstanding and has another instance to call. */
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

/** The part of a connection that a caller needs: unfinished requests and protocols. */
export interface OpenConnection {
  readonly inflight: number;
  readonly protocol: CallProtocol;
}

/** The two ends of a caller's connection. */
export interface Ends {
  readonly remoteAddress?: string | undefined;
  readonly localAddress?: string | undefined;
  /** The accepting server, which Node.js sets on the socket. */
  readonly server?: { readonly keepAliveTimeout?: number } | undefined;
}

/** One process that called this instance, with an address to notify. */
export class RecentCaller {
  /** Renewed when the process restarts under the same id. */
  caller: Caller;
  /** Address of its control server. */
  readonly address: string;
  /** The address of ours under which it knows this instance; undefined when it has named an address of its own. */
  localAddress: string | undefined;
  /** Its connections that are open now. */
  readonly connections = new Set<OpenConnection>();
  /** Protocols of its calls. */
  readonly protocols = new Set<CallProtocol>();
  /** Monotonic time at which the last connection closed. */
  closedAt = 0;
  /** Undefined before its GoAway. */
  telling: Telling | undefined;
  /** Whether its control server has answered as this process; undefined before the first question. */
  reached: boolean | undefined;
  readonly rhythm = new Rhythm();

  constructor(caller: Caller, { remoteAddress = '', localAddress }: Ends) {
    this.caller = caller;
    this.address = caller.host ?? remoteAddress;
    this.localAddress = caller.host === undefined ? localAddress : undefined;
  }

  /** Number of its open connections. */
  get open(): number {
    return this.connections.size;
  }

  /** Its unfinished requests here. */
  get inflight(): number {
    let sum = 0;
    for (const { inflight } of this.connections) sum += inflight;
    return sum;
  }
}
