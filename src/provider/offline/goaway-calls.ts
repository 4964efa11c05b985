import type { Clock } from '../../lifecycle/clock.ts';
import type { Deadline } from '../../lifecycle/deadline.ts';
import { AUDIENCE_HEADER, encodeGoAway } from '../../protocol/goaway.ts';
import type { GoAway } from '../../protocol/identity.ts';
import type { Keys } from '../../protocol/keys.ts';
import { SIGNATURE_HEADER, sign } from '../../protocol/signature.ts';
import type { ControlTls } from '../../protocol/tls.ts';
import type { RecentCaller } from '../traffic/recent-caller.ts';
import { type Call, callGoAway, endOf, type First } from './goaway.ts';

/** Calls that wait for their first line at the same time; more make a fan-out slower, not faster. */
export const MOST_AT_ONCE = 256;

export interface GoAwayCallsOptions {
  readonly clock: Clock;
  readonly deadline: Deadline;
  /** Aborted with a {@link CallEnd}: every call ends, and none is made any more. */
  readonly signal: AbortSignal;
  readonly provider: GoAway['provider'];
  /** How long consumers must keep the isolation from now on, in milliseconds. */
  readonly isolationMs: () => number;
  readonly timeoutMs: number;
  /** Undefined: GoAways are not signed. */
  readonly keys: Keys | undefined;
  /** TLS of this process; undefined without TLS. */
  readonly tls: ControlTls | undefined;
}

/** A call whose first line has come, or will not come. */
export interface Sent {
  readonly first: First;
  /** Undefined: none was made. */
  readonly call: Call | undefined;
  /** Time until then, in milliseconds. */
  readonly tookMs: number;
}

/** Makes and signs the calls of one offline, a bounded number at a time. */
export class GoAwayCalls {
  readonly #options: GoAwayCallsOptions;
  readonly #queue: (() => void)[] = [];
  #active = 0;

  constructor(options: GoAwayCallsOptions) {
    this.#options = options;
  }

  /**
   * Calls a consumer as soon as there is a place. Never rejects.
   *
   * @param traceparent undefined: a repetition, for which the consumer makes no span
   * @param isBound whether to call from the address under which the consumer knows this instance, so that the consumer recognizes
   *   it
   */
  async send(entry: RecentCaller, traceparent: string | undefined, isBound: boolean): Promise<Sent> {
    const { clock, signal, tls } = this.#options;
    if (entry.caller.tls === true && tls === undefined)
      return { first: { result: 'skipped', errorType: 'tls_not_configured' }, call: undefined, tookMs: 0 };
    await this.#place();
    try {
      if (signal.aborted) return { first: { result: endOf(signal) }, call: undefined, tookMs: 0 };
      const begun = clock.now();
      const call = this.#call(entry, traceparent, isBound);
      const first = await call.first;
      return { first, call, tookMs: clock.now() - begun };
    } finally {
      this.#release();
    }
  }

  #call({ address, caller, localAddress }: RecentCaller, traceparent: string | undefined, isBound: boolean): Call {
    const { clock, deadline, isolationMs, keys, provider, signal, timeoutMs, tls } = this.#options;
    const body = encodeGoAway({ provider, expiresInMs: isolationMs() });
    return callGoAway({
      clock,
      signal,
      address,
      port: caller.port,
      localAddress: isBound ? localAddress : undefined,
      body,
      timeoutMs: Math.min(timeoutMs, deadline.left),
      tls: caller.tls === true ? tls : undefined,
      headers: {
        ...(traceparent !== undefined && { traceparent }),
        [AUDIENCE_HEADER]: caller.instanceId,
        ...(keys !== undefined && {
          [SIGNATURE_HEADER]: sign(keys, 'goaway', caller.instanceId, body, clock.wall()),
        }),
      },
    });
  }

  async #place(): Promise<void> {
    if (this.#active >= MOST_AT_ONCE) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#active++;
  }

  #release(): void {
    this.#active--;
    this.#queue.shift()?.();
  }
}
