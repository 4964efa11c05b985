import { request } from '../../io/request.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { AUDIENCE_HEADER } from '../../protocol/goaway.ts';
import type { ControlTls } from '../../protocol/tls.ts';
import type { RecentCaller } from '../traffic/recent-caller.ts';
import { OwnSources } from './own-sources.ts';

/** Longest wait for an answer, in milliseconds. */
const ANSWER_MS = 2_000;

/** Most callers that are asked at a time, and that wait for it. Further ones stay unknown. */
const MOST_AT_ONCE = 16;
const MOST_WAITING = 2_000;

/** The question, which every control server answers to every caller. */
const PATH = '/liveness';

/**
 * Asks each new caller's control server once whether it can be reached. A refusal during an offline then means that the process
 * has exited, and not that this instance could never reach it.
 */
export class Reach {
  readonly #clock: Clock;
  readonly #tls: ControlTls | undefined;
  readonly #waiting: RecentCaller[] = [];
  #active = 0;
  #sources: OwnSources | undefined;

  /** @param tls TLS of this process; undefined: callers with TLS cannot be reached */
  constructor(clock: Clock, tls: ControlTls | undefined) {
    this.#clock = clock;
    this.#tls = tls;
  }

  /** Asks `caller` as soon as there is room. Never throws. */
  ask(entry: RecentCaller): void {
    if (this.#waiting.length >= MOST_WAITING) return;
    this.#waiting.push(entry);
    this.#next();
  }

  #next(): void {
    while (this.#active < MOST_AT_ONCE) {
      const entry = this.#waiting.shift();
      if (entry === undefined) return;
      this.#active++;
      const { caller } = entry;
      void this.#isThere(entry).then((reached) => {
        if (entry.caller === caller) entry.reached = reached;
        this.#active--;
        this.#next();
      });
    }
  }

  /** Whether the caller itself answers at its control port. Never rejects. */
  async #isThere({ address, caller, localAddress }: RecentCaller): Promise<boolean> {
    if (caller.tls === true && this.#tls === undefined) return false;
    this.#sources ??= new OwnSources();
    try {
      return await request(
        {
          clock: this.#clock,
          to: { host: address, port: caller.port, localAddress: this.#sources.bindingFor(localAddress) },
          tls: caller.tls === true ? this.#tls?.connection(address) : undefined,
          path: PATH,
          headers: { [AUDIENCE_HEADER]: caller.instanceId },
          timeoutMs: ANSWER_MS,
        },
        ({ status }) => status === 200,
      );
    } catch {
      return false;
    }
  }
}
