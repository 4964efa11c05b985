import { whenAborted } from '../../lifecycle/abort.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Deadline } from '../../lifecycle/deadline.ts';
import { AUDIENCE_HEADER, encodeGoAway } from '../../protocol/goaway.ts';
import type { GoAway } from '../../protocol/identity.ts';
import type { Keys } from '../../protocol/keys.ts';
import { SIGNATURE_HEADER, sign } from '../../protocol/signature.ts';
import type { ControlTls } from '../../protocol/tls.ts';
import type { RecentCaller } from '../traffic/recent-caller.ts';
import { type Call, callGoAway, endOf, type First } from './goaway.ts';
import { OwnSources } from './own-sources.ts';
import { Places } from './places.ts';

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
  /** Makes one call. Default: over the network. */
  readonly call?: typeof callGoAway;
}

/** A call whose first line has come, or will not come. */
export interface Sent {
  readonly first: First;
  /** Undefined: none was made. */
  readonly call: Call | undefined;
  /** Time until then, in milliseconds. */
  readonly tookMs: number;
}

/** Makes and signs the calls of one offline. */
export class GoAwayCalls {
  readonly #options: GoAwayCallsOptions;
  readonly #places: Places;
  readonly #sources = new OwnSources();
  /** Calls whose second line may come. */
  readonly #open = new Set<Call>();

  constructor(options: GoAwayCallsOptions) {
    const { clock, signal } = options;
    this.#options = options;
    this.#places = new Places(clock);
    // One listener for all calls: a signal compares a further listener with each that it has.
    whenAborted(signal, () => {
      for (const call of this.#open) call.hangUp(endOf(signal));
    });
  }

  /**
   * Calls a consumer as soon as there is a place. Never rejects.
   *
   * @param traceparent undefined: a repetition, for which the consumer makes no span
   * @param isFurther whether it is a further attempt. The others are made from the address under which the consumer knows this
   *   instance, so that it recognizes the instance
   */
  async send(entry: RecentCaller, traceparent: string | undefined, isFurther: boolean): Promise<Sent> {
    const { clock, signal, tls } = this.#options;
    if (entry.caller.tls === true && tls === undefined)
      return { first: { result: 'skipped', errorType: 'tls_not_configured' }, call: undefined, tookMs: 0 };
    return this.#places.take(isFurther, async () => {
      if (signal.aborted) return { first: { result: endOf(signal) }, call: undefined, tookMs: 0 };
      const begun = clock.now();
      const call = this.#call(entry, traceparent, isFurther);
      this.#open.add(call);
      void call.idle.then(() => this.#open.delete(call));
      const first = await call.first;
      return { first, call, tookMs: clock.now() - begun };
    });
  }

  #call({ address, caller, localAddress }: RecentCaller, traceparent: string | undefined, isFurther: boolean): Call {
    const { call = callGoAway, clock, deadline, isolationMs, keys, provider, timeoutMs, tls } = this.#options;
    const body = encodeGoAway({ provider, expiresInMs: isolationMs() });
    return call({
      clock,
      address,
      port: caller.port,
      localAddress: isFurther ? undefined : this.#sources.bindingFor(localAddress),
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
}
