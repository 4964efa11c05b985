import type { ServerHttp2Session } from 'node:http2';
import type { Guard } from '../../guard.ts';
import { type Clock, sleep } from '../../lifecycle/clock.ts';
import { within } from '../../lifecycle/within.ts';
import type { Connection } from '../traffic/connection.ts';
import type { Session } from '../traffic/session.ts';
import { canNotice, writeNotice } from './notice.ts';

/** Longest wait until a connection that has something to write can take a notice, in milliseconds, and how often it is asked. */
const NOTICE_MS = 500;
const RETRY_MS = 5;

/** Longest wait for the answer of a PING, in milliseconds. */
const ROUND_TRIP_MS = 1_000;

/** A session younger than this, in milliseconds, whose first stream has not come may be of a consumer that has just connected. */
const YOUNG_MS = 1_000;

export interface RetirementOptions {
  readonly clock: Clock;
  readonly guard: Guard;
  /** Aborted when the offline is undone, or over. */
  readonly signal: AbortSignal;
  /** Monotonic time at which the offline began. */
  readonly since: number;
  /** A session without a stream for this long, in milliseconds, is idle. */
  readonly idleMs: number;
  /** Whether sessions are asked in two steps where that is possible. */
  readonly usesNotice: boolean;
}

/** What an offline knows at one look. */
export interface Known {
  /** Connections are taken: who goes may come back. */
  readonly isListening: boolean;
  /** The listeners close soon: who goes now may come back just then. */
  readonly isSettling: boolean;
  /** Whether a caller at this address would be sent here again. */
  readonly comesBack: (address: string | undefined) => boolean;
  /** Every consumer that was told has nothing outstanding any more. */
  readonly allIdle: () => boolean;
}

/**
 * Asks the clients of HTTP/2 sessions to go, each once: those of callers without the plugin when they would not be sent here again,
 * and whoever is left when no connection is taken any more.
 *
 * It takes two steps (RFC 9113, section 6.8): a notice, after which a client begins no stream any more; and, when a PING has come back and
 * all streams that were on their way are here, the end of the session, which waits for its streams. Where no notice can be written the
 * end alone has to do, and streams that cross it are refused. Either is done when a stream has just come, as the next one is then least
 * likely on its way.
 */
export class Retirement {
  readonly #options: RetirementOptions;
  readonly #asked = new WeakSet<ServerHttp2Session>();
  readonly #running = new Set<Promise<void>>();
  #count = 0;
  #torn = 0;

  constructor(options: RetirementOptions) {
    this.#options = options;
  }

  /** Sessions that were asked to go. */
  get count(): number {
    return this.#count;
  }

  /** Those among them whose connection had to be given up. */
  get torn(): number {
    return this.#torn;
  }

  /** Those among them that may still begin streams. */
  get running(): number {
    return this.#running.size;
  }

  /** Asks those whose time has come. */
  look(sessions: readonly Session[], known: Known): void {
    for (const session of sessions) if (this.#isDue(session, known)) this.#ask(session);
  }

  #isDue({ connection, http2, openedAt }: Session, known: Known): boolean {
    if (http2.closed || http2.destroyed || this.#asked.has(http2)) return false;
    const { clock, since, usesNotice } = this.#options;
    const { address, owner } = connection ?? {};
    if (known.isListening) {
      if (owner !== 'unmanaged' || connection === undefined || known.isSettling || known.comesBack(address))
        return false;
      // Who has come since then was asked already, or will be when nobody can come any more.
      return this.#isIdle(connection) || (openedAt < since && usesNotice && canNotice(http2));
    }
    if (owner === undefined) return clock.now() - openedAt >= YOUNG_MS;
    return typeof owner !== 'object' || known.allIdle();
  }

  #isIdle({ activeAt, inflight }: Connection): boolean {
    const { clock, idleMs, since } = this.#options;
    return inflight === 0 && clock.now() - Math.max(activeAt, since) >= idleMs;
  }

  #ask(session: Session): void {
    const { guard, usesNotice } = this.#options;
    const { http2 } = session;
    this.#asked.add(http2);
    this.#count++;
    const end = (): void => {
      if (!http2.destroyed) http2.close();
    };
    const ask = async (): Promise<void> => {
      await this.#pause(session);
      if (usesNotice && canNotice(http2)) await this.#notice(http2);
      end();
    };
    const running = guard
      .attempt('the end of an HTTP/2 session', ask, async () => end())
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /**
   * Resolves when a stream of its client is least likely on its way: right after one has come, as most clients pause for longer than a
   * round trip before the next, and one that waits for its answer sends none; or when none has come for long.
   */
  async #pause({ connection, http2 }: Session): Promise<void> {
    const { clock, idleMs } = this.#options;
    if (connection === undefined || this.#isIdle(connection)) return;
    const begun = Promise.withResolvers<void>();
    // What came with it is read in the same turn.
    const come = (): void => void setImmediate(begun.resolve);
    http2.once('stream', come);
    await within(clock, idleMs, begun.promise, () => {});
    http2.off('stream', come);
  }

  /** Resolves when no stream of its client is on its way any more, as far as can be had. */
  async #notice(session: ServerHttp2Session): Promise<void> {
    const { clock, signal } = this.#options;
    const until = clock.now() + NOTICE_MS;
    let noticed = writeNotice(session, clock);
    while (noticed === 'waits' && clock.now() < until && !signal.aborted) {
      await sleep(clock, RETRY_MS, signal);
      noticed = writeNotice(session, clock);
    }
    if (noticed === 'torn') {
      this.#torn++;
      session.destroy();
    }
    if (noticed === 'written') await within(clock, ROUND_TRIP_MS, roundTrip(session), () => {});
  }
}

/** Resolves when a PING has come back, or cannot. */
function roundTrip(session: ServerHttp2Session): Promise<void> {
  return new Promise((resolve) => {
    if (session.destroyed || !session.ping(() => resolve())) resolve();
  });
}
