import type { Coverage } from '../../lifecycle/facts.ts';
import type { HoldReason } from '../../lifecycle/outcomes.ts';
import { listeningInThreads } from '../../process/threads.ts';
import type { Entry } from '../entry/entry.ts';
import type { Deregistered } from '../registration/registration.ts';
import type { OfflineContext } from './context.ts';
import type { Drained, Holding } from './drain.ts';
import type { Retirement } from './retirement.ts';

/** Callers that could not be told: how long to wait for them, and whether some may still come when the instance has left. */
export class Untold {
  readonly #context: OfflineContext;
  readonly #entry: Entry;
  readonly #retirement: Retirement;
  /** The registry's answer so far. */
  deregistered: Deregistered = { result: 'none' };
  /** Another process listens on the same port. */
  isPortShared = false;
  /** Idle connections on which a request came as they were closed. */
  crossed = 0;
  /** A client was connecting when the listeners closed. */
  #resetsClient = false;
  /** Callers that could not be told came until the listeners closed, or might have. */
  #stillComing: string | undefined;

  constructor(context: OfflineContext, entry: Entry, retirement: Retirement) {
    this.#context = context;
    this.#entry = entry;
    this.#retirement = retirement;
  }

  /** The registry did not confirm that the instance has left. */
  get isUnconfirmed(): boolean {
    return this.deregistered.result === 'failed' || this.deregistered.result === 'unconfirmed';
  }

  /**
   * Monotonic time at which the newest connection came that has said nothing yet; undefined when there is none. A proxy that is told
   * connects ahead, and uses what is free first.
   */
  get lastConnection(): number | undefined {
    const { probers, traffic } = this.#context;
    return traffic.newestSilent((address) => probers.about((each) => each === address).toldAt !== undefined);
  }

  /** The listeners are about to close. */
  listenersClose({ keptComing, resetsClient }: Drained): void {
    this.#resetsClient = resetsClient;
    if (this.#context.settings.entry !== 'refuse')
      this.#stillComing =
        keptComing && this.#entry.cameLate
          ? 'callers without the plugin still came when the hold time was over, and found no listener'
          : this.#entry.tooShort;
  }

  /** Which clients got no answer because they came at the very end, in words; undefined: none are known. */
  get reset(): string | undefined {
    if (this.#resetsClient) return 'a client was connecting when the listeners closed, and the kernel resets it';
    return this.crossed > 0
      ? `requests came as their idle connections were closed, and got no answer: ${this.crossed}`
      : undefined;
  }

  /** The reason and the end of the wait. */
  holding(coverage: Coverage): Holding {
    const { bound } = this.#entry;
    const { until, end } = this.#entry.look();
    const reason = this.#holdReason(coverage);
    if (reason !== undefined) return { reason, until: bound, bound };
    if (end === 'nobody') return { reason: 'none', until, bound };
    return { reason: end === 'not_told' ? 'entry_not_told' : 'unmanaged_caller', until, bound };
  }

  /** Why callers come or may come that cannot be told, in words; undefined: none are known. */
  exposed({ planned }: Coverage): string | undefined {
    const { isStatusFileLeft, unmanaged } = this.#context;
    if (isStatusFileLeft()) return 'the status file could not be removed: a proxy that follows it keeps sending here';
    const { others = [] } = this.deregistered;
    if (others.length > 0 && unmanaged.seen)
      return `callers without the plugin still find this address in other entries: ${others.slice(0, 3).join(', ')}`;
    if (this.isPortShared && (unmanaged.seen || planned > 0))
      return 'another process listens on the same port, and the kernel gives connections to this one until it has closed';
    if (this.#retirement.torn > 0)
      return `connections took only a part of an HTTP/2 notice and could not be used any more: ${this.#retirement.torn}`;
    if (this.#stillComing !== undefined) return this.#stillComing;
    if (this.reset !== undefined) return this.reset;
    if (listeningInThreads() > 0) return 'a server listens in a worker thread, which the plugin does not reach';
    return undefined;
  }

  /** Why the whole hold time must pass; undefined: no such reason. */
  #holdReason({ failed, stranded }: Coverage): HoldReason | undefined {
    const { callers } = this.#context;
    if (stranded > 0) return 'last_instance';
    if (failed > 0) return 'goaway_failed';
    if (this.isUnconfirmed) return 'deregister_unconfirmed';
    if (callers.overflowed > 0) return 'callers_overflowed';
    return this.lastConnection === undefined ? undefined : 'silent_connection';
  }
}
