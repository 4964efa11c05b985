import { request } from '../../io/request.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { AUDIENCE_HEADER } from '../../protocol/goaway.ts';
import type { ControlTls } from '../../protocol/tls.ts';
import type { RecentCaller } from '../traffic/recent-caller.ts';

/** Longest wait for an answer, in milliseconds. */
const ANSWER_MS = 2_000;

/** Most callers that are asked at a time, and that wait for it. What is beyond stays unknown. */
const MOST_AT_ONCE = 16;
const MOST_WAITING = 2_000;

/** What is asked: any control server answers it to anybody. */
const PATH = '/liveness';

/**
 * Asks each new caller's control server once whether it is there. A refusal at the end then means that the process has ended,
 * where otherwise it may as well mean that this instance could never have reached it.
 */
export class Reach {
  readonly #clock: Clock;
  readonly #tls: ControlTls | undefined;
  readonly #waiting: RecentCaller[] = [];
  #active = 0;

  /** @param tls how this process speaks TLS; undefined: it cannot, so it reaches nobody who does */
  constructor(clock: Clock, tls: ControlTls | undefined) {
    this.#clock = clock;
    this.#tls = tls;
  }

  /** Asks as soon as there is room. Never throws. */
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
      void isThere(this.#clock, entry, this.#tls).then((reached) => {
        if (entry.caller === caller) entry.reached = reached;
        this.#active--;
        this.#next();
      });
    }
  }
}

/** Whether the process that answers there is the one that called. Never rejects. */
async function isThere(
  clock: Clock,
  { address, caller, localAddress }: RecentCaller,
  tls: ControlTls | undefined,
): Promise<boolean> {
  if (caller.tls === true && tls === undefined) return false;
  try {
    return await request(
      {
        clock,
        to: { host: address, port: caller.port, localAddress },
        tls: caller.tls === true ? tls?.connection(address) : undefined,
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
