import type { ServerHttp2Session } from 'node:http2';
import type { Guard } from '../../guard.ts';
import { type Clock, sleep } from '../../lifecycle/clock.ts';
import { within } from '../../lifecycle/within.ts';
import type { Session } from '../traffic/session.ts';
import { canNotice, writeNotice } from './notice.ts';

/** Longest wait until a connection with queued data can take a notice, and the interval of attempts, in milliseconds. */
const NOTICE_MS = 500;
const RETRY_MS = 5;

/** Longest wait for the answer of a PING, in milliseconds. */
const ROUND_TRIP_MS = 1_000;

/** A session younger than this, in milliseconds, without a first stream may belong to a consumer that has just connected. */
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

/** A snapshot of an offline. */
export interface Known {
  /** The instance takes connections, so a client that goes may come back. */
  readonly isListening: boolean;
  /** The listeners close soon: a client that goes now may come back at that moment. */
  readonly isSettling: boolean;
  /** Whether a caller at this address would be sent here again. */
  readonly comesBack: (address: string | undefined) => boolean;
  /** Every consumer that was told is idle. */
  readonly allIdle: () => boolean;
}

/**
 * Asks the clients of HTTP/2 sessions to go, each once: a caller without the plugin when it would not be sent here again, and all
 * remaining ones when the listeners have closed.
 *
 * It takes two steps (RFC 9113, section 6.8). After a notice a client begins no more streams. When a PING has come back, all
 * streams on their way have arrived, and the session ends and waits for its streams. Where no notice can be written there is only
 * the end, and streams that cross it are refused.
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

  /** Those among them whose connection became unusable. */
  get torn(): number {
    return this.#torn;
  }

  /** Those among them that may still begin streams. */
  get running(): number {
    return this.#running.size;
  }

  /** Asks the sessions that are due. */
  look(sessions: readonly Session[], known: Known): void {
    for (const session of sessions) if (this.#isDue(session, known)) this.#ask(session.http2);
  }

  #isDue({ connection, http2, openedAt }: Session, known: Known): boolean {
    if (http2.closed || http2.destroyed || this.#asked.has(http2)) return false;
    const { clock, idleMs, since, usesNotice } = this.#options;
    const now = clock.now();
    const { address, inflight = 0, owner } = connection ?? {};
    if (known.isListening) {
      if (owner !== 'unmanaged' || connection === undefined || known.isSettling || known.comesBack(address))
        return false;
      const isIdle = inflight === 0 && now - Math.max(connection.activeAt, since) >= idleMs;
      // A session that has come since was asked already, or will be when the listeners have closed.
      return isIdle || (openedAt < since && usesNotice && canNotice(http2));
    }
    if (owner === undefined) return now - openedAt >= YOUNG_MS;
    return typeof owner !== 'object' || known.allIdle();
  }

  #ask(session: ServerHttp2Session): void {
    const { guard, usesNotice } = this.#options;
    this.#asked.add(session);
    this.#count++;
    const end = (): void => {
      if (!session.destroyed) session.close();
    };
    const ask = async (): Promise<void> => {
      if (usesNotice && canNotice(session)) await this.#notice(session);
      end();
    };
    const running = guard
      .attempt('the end of an HTTP/2 session', ask, async () => end())
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when no stream of its client is on its way any more, as far as possible. */
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

/** Resolves when a PING has come back, or cannot come back. */
function roundTrip(session: ServerHttp2Session): Promise<void> {
  return new Promise((resolve) => {
    if (session.destroyed || !session.ping(() => resolve())) resolve();
  });
}
