import type { Clock } from '../lifecycle/clock.ts';
import { sleep } from '../lifecycle/clock.ts';
import type { Deadline } from '../lifecycle/deadline.ts';
import type { Journal, Work } from '../lifecycle/journal.ts';
import type { SpanIds } from '../lifecycle/records.ts';
import { AUDIENCE_HEADER, encodeGoAway } from '../protocol/goaway.ts';
import type { GoAway } from '../protocol/identity.ts';
import { SIGNATURE_HEADER, sign } from '../protocol/signature.ts';
import { encodeTraceparent } from '../protocol/traceparent.ts';
import { ATTR, type GoAwayResult } from '../trace/schema.ts';
import { MOST_CALLERS, type RecentCaller, Telling } from './callers.ts';
import { type Call, type CallEnd, callGoAway } from './goaway.ts';

/** Milliseconds between attempts, before jitter: tighter than dubbo-go's 0.5, 1 and 2 s. */
const BACKOFF_MS = [100, 300, 900];

/** Results that another attempt may change. */
const RETRYABLE = new Set<GoAwayResult>(['refused', 'timeout', 'unreachable']);

/** Connections opened at the same time; more make a fan-out slower, not faster. */
const MOST_AT_ONCE = 256;

export interface FanoutOptions {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly deadline: Deadline;
  /** The root of the trace. */
  readonly root: SpanIds;
  readonly goAway: GoAway;
  readonly timeoutMs: number;
  readonly attempts: number;
  readonly secret: string | undefined;
  /** The registry lists other instances of that service, but not this one: it has left. */
  readonly hasLeft: (entry: RecentCaller) => Promise<boolean>;
  /** A caller is not told: names come from outside, and each costs spans and calls. */
  readonly onOverflow: () => void;
}

/** What a fan-out has reached. */
export interface Coverage {
  /** Consumers to tell; those that had ended are not counted. */
  readonly planned: number;
  readonly acked: number;
  readonly idle: number;
  readonly failed: number;
}

/** Tells consumers that this instance leaves: the planned ones at once, and each that appears later. */
export class Fanout {
  readonly #options: FanoutOptions;
  readonly #body: string;
  readonly #notify: Work;
  readonly #groups = new Map<string, { work: Work; told: Tally }>();
  readonly #running = new Set<Promise<void>>();
  readonly #calls = new Set<Call>();
  readonly #told = new Tally();
  /** Consumers whose call was cut off after the ack. */
  readonly #cut: RecentCaller[] = [];
  #waiting: (() => void)[] = [];
  #active = 0;
  #roundTripMs = 0;
  #ended: CallEnd | undefined;
  readonly #over = Promise.withResolvers<void>();

  constructor(options: FanoutOptions) {
    this.#options = options;
    this.#body = encodeGoAway(options.goAway);
    this.#notify = options.journal.start('notify', { parent: options.root });
  }

  /** Slowest first line so far, in milliseconds. */
  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  get coverage(): Coverage {
    const { planned, acked, failed } = this.#told;
    const closed = this.#cut.filter((entry) => entry.open === 0);
    return { planned, acked, idle: this.#told.idle + closed.length, failed };
  }

  /** Every consumer that can answer has acked and has nothing outstanding. */
  get allIdle(): boolean {
    const { planned, idle, failed } = this.coverage;
    return idle === planned - failed;
  }

  /** Starts to tell `entry`, unless it was told already. */
  tell(entry: RecentCaller): void {
    if (this.#ended !== undefined || entry.telling !== undefined) return;
    if (this.#told.known >= MOST_CALLERS) {
      this.#options.onOverflow();
      return;
    }
    const telling = new Telling();
    entry.telling = telling;
    const run = this.#tell(entry, telling).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Resolves when everybody told so far has answered or failed; closes the spans of the notification. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    for (const { work, told } of this.#groups.values()) endGroup(work, told);
    endGroup(this.#notify, this.#told);
  }

  /** Waits for nobody any more. */
  end(why: CallEnd): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.#over.resolve();
    for (const call of this.#calls) call.end(why);
  }

  async #tell(entry: RecentCaller, telling: Telling): Promise<void> {
    const { caller, address } = entry;
    const group = this.#group(entry);
    for (const tally of [this.#told, group.told]) tally.begin();
    const work = this.#options.journal.start('goaway', {
      parent: group.work.ids,
      attributes: {
        [ATTR.serverAddress]: address,
        [ATTR.serverPort]: caller.port,
        [ATTR.peerService]: caller.service,
        [ATTR.consumerInstanceId]: caller.instanceId,
      },
    });
    const outcome = await this.#attempts(entry, telling, work);
    telling.told = toldBy(outcome.result);
    for (const tally of [this.#told, group.told]) tally.end(telling.told);
    const failed = telling.told === 'failed';
    work.end(
      {
        [ATTR.goawayResult]: outcome.result,
        [ATTR.attemptCount]: outcome.attempts,
        ...(outcome.status && { [ATTR.statusCode]: outcome.status }),
        ...(outcome.unused && { [ATTR.goawayUnused]: true }),
        ...(failed && { [ATTR.errorType]: outcome.errorType ?? outcome.result }),
      },
      failed
        ? {
            type: outcome.errorType ?? outcome.result,
            message: `${caller.service} ${address}:${caller.port} was not told: ${outcome.result}`,
          }
        : undefined,
    );
  }

  /** The group of the consumer's service: a few rows to fold in a trace view instead of hundreds. */
  #group({ caller: { service } }: RecentCaller): { work: Work; told: Tally } {
    let group = this.#groups.get(service);
    if (group === undefined) {
      const attributes = { [ATTR.peerService]: service };
      group = {
        work: this.#options.journal.start('notify.service', { parent: this.#notify.ids, attributes }),
        told: new Tally(),
      };
      this.#groups.set(service, group);
    }
    return group;
  }

  async #attempts(entry: RecentCaller, telling: Telling, goaway: Work): Promise<Outcome> {
    const { attempts, clock, deadline, journal } = this.#options;
    let outcome: Outcome = { result: 'skipped', attempts: 0 };
    for (let resend = 0; resend < attempts; resend++) {
      if (this.#ended !== undefined || deadline.left === 0) break;
      const attempt =
        resend === 0
          ? undefined
          : journal.start('goaway.attempt', { parent: goaway.ids, attributes: { [ATTR.resendCount]: resend } });
      outcome = { ...(await this.#once(entry, telling, attempt?.ids ?? goaway.ids)), attempts: resend + 1 };
      attempt?.end(outcome.status ? { [ATTR.statusCode]: outcome.status } : {}, failureOf(outcome));
      if (!RETRYABLE.has(outcome.result)) return outcome;
      if (outcome.result === 'refused' && entry.open === 0) return { ...outcome, result: 'gone' };
      if (resend + 1 < attempts) {
        const backoffMs = (BACKOFF_MS[resend] ?? 900) * (0.75 + Math.random() / 2);
        await Promise.race([sleep(clock, Math.min(deadline.left, backoffMs)), this.#over.promise]);
      }
    }
    if (this.#ended === undefined && entry.open === 0 && (await this.#hasLeft(entry)))
      return { ...outcome, result: 'gone' };
    return this.#ended === 'cancelled' ? { result: 'cancelled', attempts: outcome.attempts } : outcome;
  }

  #hasLeft(entry: RecentCaller): Promise<boolean> {
    const { deadline, hasLeft } = this.#options;
    const asked = hasLeft(entry).catch(() => false);
    return Promise.race([deadline.within(asked, false, 1_000), this.#over.promise.then(() => false)]);
  }

  /** One call, until its first line; its second line is awaited in the background. */
  async #once(entry: RecentCaller, telling: Telling, ids: SpanIds): Promise<Omit<Outcome, 'attempts'>> {
    const { clock, deadline, secret, timeoutMs } = this.#options;
    await this.#slot();
    if (this.#ended !== undefined) {
      this.#release();
      return { result: this.#ended };
    }
    const begun = clock.now();
    const { caller, address } = entry;
    const call = callGoAway({
      clock,
      address,
      port: caller.port,
      body: this.#body,
      timeoutMs: Math.min(timeoutMs, deadline.left),
      headers: {
        traceparent: encodeTraceparent(ids),
        [AUDIENCE_HEADER]: caller.instanceId,
        ...(secret !== undefined && { [SIGNATURE_HEADER]: sign(secret, caller.instanceId, this.#body, clock.wall()) }),
      },
    });
    this.#calls.add(call);
    const first = await call.first;
    this.#release();
    telling.outstanding = first.outstanding ?? 0;
    if (first.result === 'acked') this.#roundTripMs = Math.max(this.#roundTripMs, clock.now() - begun);
    void call.idle.then((idle) => {
      this.#calls.delete(call);
      if (first.result !== 'acked') return;
      if (idle) this.#told.idle++;
      else this.#cut.push(entry);
    });
    return first;
  }

  async #slot(): Promise<void> {
    if (this.#active >= MOST_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#active++;
  }

  #release(): void {
    this.#active--;
    this.#waiting.shift()?.();
  }
}

/** What has become of some consumers. It is asked for all the time, so it is counted and not looked up. */
class Tally {
  /** Those that have ended included. */
  known = 0;
  planned = 0;
  acked = 0;
  idle = 0;
  failed = 0;

  begin(): void {
    this.known++;
    this.planned++;
  }

  end(told: Telling['told']): void {
    if (told === 'acked') this.acked++;
    else if (told === 'gone') this.planned--;
    else if (told === 'failed') this.failed++;
  }
}

interface Outcome {
  readonly result: GoAwayResult;
  readonly attempts: number;
  readonly status?: number;
  readonly errorType?: string;
  readonly unused?: true;
}

function toldBy(result: GoAwayResult): Telling['told'] {
  return result === 'acked' || result === 'gone' || result === 'cancelled' ? result : 'failed';
}

function failureOf({ result, errorType }: Outcome): { type: string; message: string } | undefined {
  return result === 'acked' || result === 'cancelled'
    ? undefined
    : { type: errorType ?? result, message: `no ack: ${result}` };
}

function endGroup(work: Work, { planned, acked, failed }: Tally): void {
  const failure =
    failed > 0 ? { type: 'fanout_incomplete', message: `${failed} of ${planned} consumers were not told` } : undefined;
  work.end(
    { [ATTR.fanoutPlanned]: planned, [ATTR.fanoutAcked]: acked, ...(failure && { [ATTR.errorType]: failure.type }) },
    failure,
  );
}
