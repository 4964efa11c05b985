import { Backoff } from '../../lifecycle/backoff.ts';
import { type Clock, sleep } from '../../lifecycle/clock.ts';
import type { Journal, Work } from '../../lifecycle/journal.ts';
import type { GoAwayResult } from '../../lifecycle/outcomes.ts';
import type { SpanIds } from '../../lifecycle/records.ts';
import { encodeTraceparent } from '../../protocol/traceparent.ts';
import type { RecentCaller } from '../traffic/recent-caller.ts';
import { endOf, type First } from './goaway.ts';
import type { GoAwayCalls, Sent } from './goaway-calls.ts';
import { type HasEndedOptions, hasEnded } from './has-ended.ts';

/** Waits between attempts: tighter than dubbo-go's 0.5, 1 and 2 s, since a grace period has room for few. */
const WAITS = { initialMs: 100, factor: 3, capMs: 900 };

/** Attempts of a GoAway for each consumer before the drain begins without its answer. */
export const GOAWAY_ATTEMPTS = 3;

/** Waits between further attempts, which go on while the instance is there: a consumer may have been busy or cut off for seconds. */
const LATE_WAITS = { initialMs: 2_000, factor: 2, capMs: 8_000 };

/** Results after which another attempt may help. */
const RETRYABLE: ReadonlySet<GoAwayResult> = new Set(['refused', 'gone', 'timeout', 'unreachable']);

export interface TellerOptions extends HasEndedOptions {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly calls: GoAwayCalls;
}

/** Outcome of the GoAway to one consumer. */
export interface Outcome extends Omit<First, 'result'> {
  readonly result: GoAwayResult;
  readonly attempts: number;
}

interface Told {
  /** The parent of its span. */
  readonly parent: SpanIds;
  /** Attempts before it counts as not told. */
  readonly attempts: number;
  /** Whether further attempts follow. */
  readonly goesOn: boolean;
  /** Called when it counts as not told and further attempts follow. */
  readonly onUntold: (outcome: Outcome) => void;
  /** Called in the turn in which the consumer has acked. */
  readonly onAck: (sent: Sent) => void;
}

/** Sends a GoAway to each consumer, each in a span of its own. */
export class Teller {
  readonly #options: TellerOptions;

  constructor(options: TellerOptions) {
    this.#options = options;
  }

  /** Resolves when the consumer has acked, or cannot be told; with further attempts when the offline ends. Never rejects. */
  async tell(entry: RecentCaller, told: Told): Promise<Outcome> {
    const { caller, address } = entry;
    const work = this.#options.journal.start('goaway', {
      parent: told.parent,
      facts: {
        address,
        port: caller.port,
        consumerService: caller.service,
        consumerInstanceId: caller.instanceId,
        protocols: [...entry.protocols],
      },
    });
    const outcome = await this.#attempts(entry, told, work);
    const { ack, result, attempts, status, errorType = result } = outcome;
    const failed = isFailure(result);
    work.end(
      {
        result,
        attempts,
        statusCode: status,
        unused: ack?.unused,
        consumerVersion: ack?.version,
        consumerZone: ack?.zone,
      },
      failed
        ? {
            type: errorType,
            message: `${caller.service} ${address}:${caller.port} was not told: ${WORDS[errorType] ?? result}`,
          }
        : undefined,
    );
    return outcome;
  }

  async #attempts(entry: RecentCaller, told: Told, goaway: Work<'goaway'>): Promise<Outcome> {
    const { clock, deadline, signal } = this.#options;
    let backoff = new Backoff(WAITS);
    let outcome: Outcome = { result: 'skipped', attempts: 0 };
    for (let resend = 0; told.goesOn || resend < told.attempts; resend++) {
      if (signal.aborted || deadline.left === 0) break;
      const first = await this.#attempt(entry, told, goaway, resend);
      // The end of the offline has cut it: what came of the attempts before says more.
      if (resend >= told.attempts && signal.aborted && first.result === endOf(signal)) break;
      outcome = { ...first, attempts: resend + 1 };
      if (await hasEnded(entry, outcome.result, this.#options)) return { ...outcome, result: 'gone' };
      if (!RETRYABLE.has(outcome.result)) return outcome;
      if (resend + 1 === told.attempts) {
        if (!told.goesOn) break;
        told.onUntold(unproven(outcome));
        backoff = new Backoff(LATE_WAITS);
      }
      await sleep(clock, Math.min(deadline.left, backoff.next()), signal);
    }
    if (signal.aborted && endOf(signal) === 'cancelled') return { result: 'cancelled', attempts: outcome.attempts };
    return unproven(outcome);
  }

  /** One call, until its first line. */
  async #attempt(entry: RecentCaller, { onAck }: Told, goaway: Work<'goaway'>, resend: number): Promise<First> {
    const { calls, journal } = this.#options;
    const work = resend === 0 ? undefined : journal.start('goaway.attempt', { parent: goaway.ids, facts: { resend } });
    const sent = await calls.send(entry, encodeTraceparent((work ?? goaway).ids), resend > 0);
    const { first } = sent;
    if (first.result === 'acked') onAck(sent);
    work?.end({ statusCode: first.status }, failureOf(first));
    return first;
  }
}

/** Causes that need an explanation. */
const WORDS: Readonly<Record<string, string>> = {
  self: 'its address leads back to this instance, because a proxy hides where callers are; set LOSSLESS_SECRET and LOSSLESS_ADVERTISE on the consumers',
  another_process:
    'another process answers there, and nothing proves that the consumer has ended; behind address translation set LOSSLESS_SECRET and LOSSLESS_ADVERTISE on the consumers',
  ECONNREFUSED:
    'its control port refuses, and nothing proves that it has ended; check LOSSLESS_CONTROL_HOST and network policies',
  ECONNRESET:
    'its control port resets connections; check network policies, and whether a sidecar takes only its own TLS there',
  tls_not_configured: 'its control port speaks TLS, and this instance cannot; set LOSSLESS_TLS_DIR here too',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate names neither its address nor LOSSLESS_TLS_NAME; renew it, or set that variable',
};

/** Nothing proves that it has exited. */
function unproven(outcome: Outcome): Outcome {
  return outcome.result === 'gone' ? { ...outcome, result: 'rejected' } : outcome;
}

/** Whether the GoAway has failed: the consumer may not know of it, and may still call. */
export function isFailure(result: GoAwayResult): result is Exclude<GoAwayResult, 'acked' | 'gone' | 'cancelled'> {
  return result !== 'acked' && result !== 'gone' && result !== 'cancelled';
}

function failureOf({ result, errorType }: First): { type: string; message: string } | undefined {
  return result === 'acked' || result === 'cancelled'
    ? undefined
    : { type: errorType ?? result, message: `no ack: ${result}` };
}
