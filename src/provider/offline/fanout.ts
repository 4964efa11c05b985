import type { Clock, Timer } from '../../lifecycle/clock.ts';
import { sleep } from '../../lifecycle/clock.ts';
import type { Deadline } from '../../lifecycle/deadline.ts';
import type { Coverage } from '../../lifecycle/facts.ts';
import type { Journal, Work } from '../../lifecycle/journal.ts';
import type { GoAwayResult } from '../../lifecycle/outcomes.ts';
import type { SpanIds } from '../../lifecycle/records.ts';
import { AUDIENCE_HEADER, encodeGoAway } from '../../protocol/goaway.ts';
import type { GoAway } from '../../protocol/identity.ts';
import type { Keys } from '../../protocol/keys.ts';
import { SIGNATURE_HEADER, sign } from '../../protocol/signature.ts';
import type { ControlTls } from '../../protocol/tls.ts';
import { encodeTraceparent } from '../../protocol/traceparent.ts';
import { MOST_CALLERS } from '../traffic/callers.ts';
import { type RecentCaller, Telling } from '../traffic/recent-caller.ts';
import { type Call, type CallEnd, callGoAway, type First } from './goaway.ts';
import type { Presence } from './presence.ts';
import { Tally } from './tally.ts';

/** Milliseconds between attempts, before jitter: tighter than dubbo-go's 0.5, 1 and 2 s. */
const BACKOFF_MS = [100, 300, 900];

/** Results that another attempt may change. */
const RETRYABLE = new Set<GoAwayResult>(['refused', 'gone', 'timeout', 'unreachable']);

/** Connections opened at the same time; more make a fan-out slower, not faster. */
const MOST_AT_ONCE = 256;

/** Longest wait for the registry that is asked whether a caller is still listed, in milliseconds. */
const PRESENCE_MS = 1_000;

/** How often isolations are renewed, in milliseconds: unsigned ones last a minute. Those who have nobody else are asked more often. */
const RENEW_MS = 25_000;
const RENEW_STRANDED_MS = 2_000;

export interface FanoutOptions {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly deadline: Deadline;
  /** The root of the trace. */
  readonly root: SpanIds;
  readonly provider: GoAway['provider'];
  /** How long consumers shall keep the isolation from now on, in milliseconds. */
  readonly isolationMs: () => number;
  /** Longest wait for a consumer that has acked, holds no connection and does not say that it is idle, in milliseconds. */
  readonly holdMs: number;
  readonly timeoutMs: number;
  readonly attempts: number;
  /** Undefined: GoAways are not signed. */
  readonly keys: Keys | undefined;
  /** How this process speaks TLS; undefined: it cannot. */
  readonly tls: ControlTls | undefined;
  /** What the registry says of a caller. */
  readonly presenceOf: (entry: RecentCaller) => Promise<Presence>;
  /** A caller is not told: names come from outside, and each costs spans and calls. */
  readonly onOverflow: () => void;
}

/** Callers that are told at the same time, and the spans of it. Whoever appears after they have answered is a round of its own. */
interface Round {
  readonly notify: Work<'notify'>;
  readonly told: Tally;
  readonly groups: Map<string, { readonly work: Work<'notify.service'>; readonly told: Tally }>;
}

/** A consumer that has acked and is not idle. */
interface Waiting {
  readonly telling: Telling;
  readonly ackedAt: number;
  /** A call stands that may bring its second line. */
  isListening: boolean;
}

/**
 * Tells consumers that this instance leaves: the planned ones at once, and each that appears later. Then knows which of them are
 * done with this instance, and renews their isolation until it has gone.
 */
export class Fanout {
  readonly #options: FanoutOptions;
  readonly #running = new Set<Promise<void>>();
  readonly #calls = new Set<Call>();
  readonly #told = new Tally();
  readonly #acked = new Set<RecentCaller>();
  readonly #waiting = new Map<RecentCaller, Waiting>();
  #round: Round | undefined;
  #queue: (() => void)[] = [];
  #active = 0;
  #roundTripMs = 0;
  #renewal: Timer | undefined;
  #ended: CallEnd | undefined;
  readonly #over = Promise.withResolvers<void>();

  constructor(options: FanoutOptions) {
    this.#options = options;
    this.#round = this.#newRound();
    this.#renewLater();
  }

  /** Slowest first line so far, in milliseconds. */
  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  get coverage(): Coverage {
    const { planned, acked, failed, gone } = this.#told;
    let busy = 0;
    let stranded = 0;
    for (const [entry, waiting] of this.#waiting) {
      if (!this.#isDone(entry, waiting)) busy++;
      if (this.#isStranded(entry, waiting)) stranded++;
    }
    return { planned, acked, idle: acked - busy, failed, gone, stranded };
  }

  /** Why consumers were not told, with counts. */
  get causes(): string {
    return this.#told.causes;
  }

  /** Nobody has to be waited for: whoever acked is idle, or holds no connection and has had the hold time to say so. */
  get allIdle(): boolean {
    if (this.#running.size > 0) return false;
    const now = this.#options.clock.now();
    for (const [entry, waiting] of this.#waiting) {
      if (this.#isDone(entry, waiting)) continue;
      const isAway = entry.open === 0 && now - waiting.ackedAt >= this.#options.holdMs;
      if (!isAway || this.#isStranded(entry, waiting)) return false;
    }
    return true;
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
    const round = this.#round ?? this.#newRound();
    this.#round = round;
    const run = this.#tell(entry, telling, round).finally(() => {
      this.#running.delete(run);
      if (this.#running.size === 0) this.#endRound();
    });
    this.#running.add(run);
  }

  /** Resolves when everybody told so far has answered or failed. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.#endRound();
  }

  /** Waits for nobody any more. */
  end(why: CallEnd): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.#renewal?.cancel();
    this.#over.resolve();
    for (const call of this.#calls) call.end(why);
  }

  /** It will send nothing more, as far as can be known without its word. */
  #isDone({ open, inflight, rhythm }: RecentCaller, { isListening, telling }: Waiting): boolean {
    if (telling.stranded) return inflight === 0 && rhythm.hasStopped(this.#options.clock.now());
    return !isListening && open === 0;
  }

  #isStranded(entry: RecentCaller, waiting: Waiting): boolean {
    return waiting.telling.stranded && !this.#isDone(entry, waiting);
  }

  #newRound(): Round {
    const notify = this.#options.journal.start('notify', { parent: this.#options.root });
    return { notify, told: new Tally(), groups: new Map() };
  }

  #endRound(): void {
    const round = this.#round;
    this.#round = undefined;
    if (round === undefined) return;
    for (const { work, told } of round.groups.values()) endGroup(work, told);
    endGroup(round.notify, round.told);
  }

  async #tell(entry: RecentCaller, telling: Telling, round: Round): Promise<void> {
    const { caller, address } = entry;
    const group = this.#group(entry, round);
    const tallies = [this.#told, round.told, group.told];
    for (const tally of tallies) tally.begin();
    const work = this.#options.journal.start('goaway', {
      parent: group.work.ids,
      facts: {
        address,
        port: caller.port,
        consumerService: caller.service,
        consumerInstanceId: caller.instanceId,
      },
    });
    const outcome = await this.#attempts(entry, telling, work);
    const { ack, result, attempts, status, errorType = result } = outcome;
    if (telling.told === 'telling') telling.told = toldBy(result);
    for (const tally of tallies) tally.end(result, errorType);
    const failed = telling.told === 'failed';
    work.end(
      { result, attempts, statusCode: status, unused: ack?.unused },
      failed
        ? {
            type: errorType,
            message: `${caller.service} ${address}:${caller.port} was not told: ${WORDS[errorType] ?? result}`,
          }
        : undefined,
    );
  }

  /** The group of the consumer's service: a few rows to fold in a trace view instead of hundreds. */
  #group(
    { caller: { service } }: RecentCaller,
    { groups, notify }: Round,
  ): { work: Work<'notify.service'>; told: Tally } {
    let group = groups.get(service);
    if (group === undefined) {
      const facts = { consumerService: service };
      group = {
        work: this.#options.journal.start('notify.service', { parent: notify.ids, facts }),
        told: new Tally(),
      };
      groups.set(service, group);
    }
    return group;
  }

  async #attempts(entry: RecentCaller, telling: Telling, goaway: Work<'goaway'>): Promise<Outcome> {
    const { clock, deadline, journal } = this.#options;
    // Strangers can make up callers that never answer: a crowd of those is asked once.
    const isDoubtful = entry.reached === false && entry.open === 0 && this.#told.known > MOST_AT_ONCE;
    const attempts = isDoubtful ? 1 : this.#options.attempts;
    let outcome: Outcome = { result: 'skipped', attempts: 0 };
    for (let resend = 0; resend < attempts; resend++) {
      if (this.#ended !== undefined || deadline.left === 0) break;
      const attempt =
        resend === 0 ? undefined : journal.start('goaway.attempt', { parent: goaway.ids, facts: { resend } });
      outcome = {
        ...(await this.#once(entry, telling, attempt?.ids ?? goaway.ids, resend === 0)),
        attempts: resend + 1,
      };
      attempt?.end({ statusCode: outcome.status }, failureOf(outcome));
      if (await this.#hasEnded(entry, outcome.result)) return { ...outcome, result: 'gone' };
      if (!RETRYABLE.has(outcome.result)) return outcome;
      if (resend + 1 < attempts) {
        const backoffMs = (BACKOFF_MS[resend] ?? 900) * (0.75 + Math.random() / 2);
        await Promise.race([sleep(clock, Math.min(deadline.left, backoffMs)), this.#over.promise]);
      }
    }
    if (this.#ended === 'cancelled') return { result: 'cancelled', attempts: outcome.attempts };
    // Nothing proves that it has ended.
    return outcome.result === 'gone' ? { ...outcome, result: 'rejected' } : outcome;
  }

  /**
   * Whether a caller that did not answer has ended, which is proved and never guessed: its control server has answered this
   * instance before, it holds no connection, and the registry does not list it. A silence proves less than a refusal, so there
   * the registry must list others of its service.
   */
  async #hasEnded(entry: RecentCaller, result: GoAwayResult): Promise<boolean> {
    const isRefused = result === 'refused' || result === 'gone';
    if (!isRefused && result !== 'timeout' && result !== 'unreachable') return false;
    if (entry.reached !== true || entry.open > 0 || this.#ended !== undefined) return false;
    const { deadline, presenceOf } = this.#options;
    const asked = presenceOf(entry).catch((): Presence => 'listed');
    const presence = await Promise.race([
      deadline.within(asked, 'listed' as const, PRESENCE_MS),
      this.#over.promise.then((): Presence => 'listed'),
    ]);
    return entry.open === 0 && (presence === 'others' || (presence === 'nobody' && isRefused));
  }

  /** One call, until its first line; its second line is awaited in the background. */
  async #once(
    entry: RecentCaller,
    telling: Telling,
    ids: SpanIds,
    isFirst: boolean,
  ): Promise<Omit<Outcome, 'attempts'>> {
    const { clock, tls } = this.#options;
    if (entry.caller.tls === true && tls === undefined) return { result: 'skipped', errorType: 'tls_not_configured' };
    await this.#slot();
    if (this.#ended !== undefined) {
      this.#release();
      return { result: this.#ended };
    }
    const begun = clock.now();
    const call = this.#call(entry, { traceparent: encodeTraceparent(ids) }, isFirst);
    const first = await call.first;
    this.#release();
    if (first.result === 'acked') {
      this.#roundTripMs = Math.max(this.#roundTripMs, clock.now() - begun);
      this.#took(entry, telling, call, first);
    }
    return first;
  }

  /** @param bound calls from the address under which the consumer knows this instance, by which it may tell who calls */
  #call(entry: RecentCaller, headers: Readonly<Record<string, string>>, bound: boolean): Call {
    const { clock, deadline, isolationMs, keys, provider, timeoutMs, tls } = this.#options;
    const { caller, address } = entry;
    const body = encodeGoAway({ provider, expiresInMs: isolationMs() });
    const call = callGoAway({
      clock,
      address,
      port: caller.port,
      localAddress: bound ? entry.localAddress : undefined,
      body,
      timeoutMs: Math.min(timeoutMs, deadline.left),
      tls: caller.tls === true ? tls : undefined,
      headers: {
        ...headers,
        [AUDIENCE_HEADER]: caller.instanceId,
        ...(keys !== undefined && {
          [SIGNATURE_HEADER]: sign(keys, 'goaway', caller.instanceId, body, clock.wall()),
        }),
      },
    });
    this.#calls.add(call);
    void call.idle.then(() => this.#calls.delete(call));
    return call;
  }

  /** A consumer has acked: from here on nothing of it may arrive but what was on its way, unless it has nobody else. */
  #took(entry: RecentCaller, telling: Telling, call: Call, { ack }: First): void {
    const now = this.#options.clock.now();
    telling.acked((ack?.outstanding ?? 0) - entry.inflight, ack?.others === 0, now);
    const waiting: Waiting = { telling, ackedAt: now, isListening: true };
    this.#acked.add(entry);
    this.#waiting.set(entry, waiting);
    if (telling.stranded) this.#renewLater();
    void this.#listen(entry, waiting, call);
  }

  async #listen(entry: RecentCaller, waiting: Waiting, call: Call): Promise<void> {
    const idle = await call.idle;
    if (this.#waiting.get(entry) !== waiting) return;
    waiting.isListening = false;
    if (idle === undefined) return;
    if (idle.addresses.length > 0 || idle.unused) return this.#left(entry, waiting);
    // Its list is empty: it has nobody else, whatever it has said before.
    waiting.telling.stranded = true;
    this.#renewLater();
  }

  #left(entry: RecentCaller, { telling }: Waiting): void {
    telling.idle();
    this.#waiting.delete(entry);
  }

  #renewLater(): void {
    this.#renewal?.cancel();
    if (this.#ended !== undefined) return;
    const isAnyStranded = [...this.#waiting.values()].some(({ telling }) => telling.stranded);
    this.#renewal = this.#options.clock.after(isAnyStranded ? RENEW_STRANDED_MS : RENEW_MS, async () => {
      await Promise.all([...this.#acked].map((entry) => this.#renew(entry)));
      this.#renewLater();
    });
  }

  /** Says it again, without a span. Who had nobody else may have somebody now, or may have ended. */
  async #renew(entry: RecentCaller): Promise<void> {
    await this.#slot();
    if (this.#ended !== undefined) return this.#release();
    const call = this.#call(entry, {}, true);
    const { result } = await call.first;
    this.#release();
    const waiting = this.#waiting.get(entry);
    if (waiting !== undefined && result === 'acked' && !waiting.isListening) {
      waiting.isListening = true;
      void this.#listen(entry, waiting, call);
      return;
    }
    call.end('timeout');
    if (waiting !== undefined && (await this.#hasEnded(entry, result))) this.#left(entry, waiting);
  }

  async #slot(): Promise<void> {
    if (this.#active >= MOST_AT_ONCE) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#active++;
  }

  #release(): void {
    this.#active--;
    this.#queue.shift()?.();
  }
}

interface Outcome extends Omit<First, 'result'> {
  readonly result: GoAwayResult;
  readonly attempts: number;
}

/** Causes that need more than a word. */
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

function toldBy(result: GoAwayResult): Telling['told'] {
  return result === 'acked' || result === 'gone' || result === 'cancelled' ? result : 'failed';
}

function failureOf({ result, errorType }: Outcome): { type: string; message: string } | undefined {
  return result === 'acked' || result === 'cancelled'
    ? undefined
    : { type: errorType ?? result, message: `no ack: ${result}` };
}

function endGroup(work: Work<'notify' | 'notify.service'>, { planned, acked, failed, gone, causes }: Tally): void {
  const failure =
    failed > 0
      ? { type: 'fanout_incomplete', message: `${failed} of ${planned} consumers were not told: ${causes}` }
      : undefined;
  work.end({ planned, acked, gone }, failure);
}
