import { isCounted, isLossless, type Verdict } from '../../src/trace/model/verdict.ts';
import type { Client, Fleet } from './fleet.ts';
import type { Life, Observed, Outcome, Shutdown } from './observed.ts';

/**
 * The rule of a run: no shutdown that cost a client a request is called lossless.
 *
 * A shutdown is *called lossless* when the project's own function says so for its trace. Missing spans are no excuse: the trace is
 * judged as if it were whole. `lossless verify` must not exit with 0 either.
 *
 * A *failure* is a request that the right server did not answer with 200: refused, reset, never answered, or answered by
 * another server.
 *
 * A failure may come from each shutdown of the service that had begun when the failure ended, and whose reach had not ended when the
 * failure began. For a client that always calls one provider, only shutdowns of that provider count. A shutdown reaches from its
 * trigger to the end of its process (or of its undo), and beyond, because a client that is not told goes on calling: for the lag of
 * the lists and two seconds more. For a client that gets only failures, as after the last instance has gone, it reaches to that
 * client's next answered request. When a failure has such shutdowns, at least one of them must not be called lossless.
 *
 * No shutdown is blamed for
 * - a failure before any shutdown, or beyond the reach of all: counted as unexplained;
 * - a failure that a SIGKILL may have caused, which has the same reach as a shutdown. If the process had begun a shutdown, that
 *   one has a trace without an end, which is not called lossless;
 * - a connection of a consumer that the delaying proxy has reset for a refusal: at a real distance it would have been refused,
 *   and the request sent to another instance;
 * - a failure of a client without the plugin once the hold time has passed, or because its balancer has no target: no one can tell
 *   such a client, and the operator sets the hold time for it. These are counted as untold, and so is the number of them that no
 *   trace reports;
 * - a failure of a fake client after its ack: it said that it isolates the instance, and no provider can know better. But when a
 *   provider answered a request that the client began after its ack, beyond those that it called outstanding, the provider has
 *   seen the lie, and its shutdown must not be called lossless, unless it was undone.
 *
 * A shutdown with the result `never_ready` says nothing about loss, and explains none. An instance that never got ready has only
 * such shutdowns, and one that was ready has none. An instance that was ready and ended without SIGKILL has a trace.
 */
export interface Judgement {
  readonly violations: readonly Violation[];
  readonly failures: readonly Failure[];
  /** Shutdowns not called lossless although no failure comes from them, except killed and never ready ones. */
  readonly falseAlarms: readonly Shutdown[];
  readonly unexplained: readonly Outcome[];
  /** Failures of clients without the plugin after the hold time. */
  readonly untold: readonly Failure[];
}

export type ViolationKind = 'loss' | 'after_ack' | 'never_ready' | 'no_trace' | 'verify';

export interface Violation {
  readonly kind: ViolationKind;
  readonly text: string;
}

/** A failure and the shutdowns from which it may come. */
export interface Failure {
  readonly outcome: Outcome;
  readonly shutdowns: readonly Shutdown[];
}

/** How long after the lag of lists an untold client may still call an instance that has gone, in milliseconds. */
const MARGIN_MS = 2_000;

/** How late a client may see an event of the delaying proxy, beside the delay, in milliseconds. */
const LATE_MS = 100;

/** Longest way of an ack to the provider on a busy machine, in milliseconds. */
const ACK_MS = 300;

/** Whether a trace says that nothing was lost, even an incomplete one. */
export function isCalledLossless(verdict: Verdict): boolean {
  return isLossless({ ...verdict, whole: true });
}

/** Compares what clients saw with what the traces say. */
export function judge(fleet: Fleet, observed: Observed): Judgement {
  const { outcomes, shutdowns, verify } = observed;
  const counted = shutdowns.filter(({ verdict }) => isCounted(verdict));
  const reach = new Reach(fleet, outcomes);
  const failed = outcomes.filter(({ failure }) => failure !== undefined);
  const failures: Failure[] = [];
  const untold: Failure[] = [];
  const unexplained: Outcome[] = [];
  for (const outcome of failed) {
    if (isOwnLie(fleet.clients[outcome.client], outcome) || isKill(observed, outcome, reach)) continue;
    if (isLateRefusal(fleet, observed, outcome)) continue;
    const causes = counted.filter((shutdown) => mayCome(outcome, shutdown, reach));
    const failure = { outcome, shutdowns: causes };
    if (causes.length === 0) unexplained.push(outcome);
    else if (isUntold(fleet, failure)) untold.push(failure);
    else failures.push(failure);
  }
  const unsaid = failures.filter(isUnsaid);
  const violations: Violation[] = [
    ...(unsaid.length > 0 ? [{ kind: 'loss', text: lossOf(unsaid, observed) } as const] : []),
    ...lies(fleet, outcomes, shutdowns),
    ...shutdowns
      .filter(({ life, verdict }) => life.readyAt === undefined && isCalledLossless(verdict))
      .map(({ life, verdict }) =>
        violation('never_ready', `${life.provider} never got ready and left with ${verdict.result}`),
      ),
    ...shutdowns
      .filter(({ life, verdict }) => life.readyAt !== undefined && !isCounted(verdict))
      .map(({ life, verdict }) =>
        violation('never_ready', `${life.provider} was ready and left with ${verdict.result}`),
      ),
    ...untraced(observed).map((life) => violation('no_trace', `${life.provider} left without a trace`)),
  ];
  if (verify.code === 0 && (failures.length > 0 || violations.length > 0))
    violations.push(violation('verify', `lossless verify exits with 0: ${verify.text.trim().split('\n').at(-1)}`));
  const blamed = new Set([...failures, ...untold].flatMap((failure) => failure.shutdowns));
  return {
    violations,
    failures,
    falseAlarms: counted.filter(
      (shutdown) =>
        shutdown.life.killedAt === undefined && !isCalledLossless(shutdown.verdict) && !blamed.has(shutdown),
    ),
    unexplained,
    untold,
  };
}

/** Whether every trace that a failure may come from says that nothing was lost. */
export function isUnsaid({ shutdowns }: Failure): boolean {
  return shutdowns.every(({ verdict }) => isCalledLossless(verdict));
}

function isUntold({ clients, holdMs }: Fleet, { outcome, shutdowns }: Failure): boolean {
  return (
    clients[outcome.client]?.kind === 'unmanaged' &&
    (outcome.life === undefined ||
      shutdowns.every(
        ({ life, verdict }) => outcome.begun > Math.min(life.leftAt ?? verdict.startedAt, verdict.startedAt) + holdMs,
      ))
  );
}

/** Computes until when a client may fail because a process has gone. */
class Reach {
  readonly #afterMs: number;
  readonly #answered: ReadonlyMap<number, readonly number[]>;

  constructor({ lagMs }: Fleet, outcomes: readonly Outcome[]) {
    this.#afterMs = lagMs + MARGIN_MS;
    const answered = Map.groupBy(
      outcomes.filter(({ failure }) => failure === undefined),
      ({ client }) => client,
    );
    this.#answered = new Map([...answered].map(([client, each]) => [client, each.map(({ begun }) => begun)]));
  }

  /** @param goneAt end of the process; undefined when it has not ended */
  until(client: number, goneAt: number | undefined): number {
    if (goneAt === undefined) return Number.POSITIVE_INFINITY;
    const next = this.#answered
      .get(client)
      ?.reduce((least, at) => (at >= goneAt ? Math.min(least, at) : least), Number.POSITIVE_INFINITY);
    return Math.max(goneAt + this.#afterMs, next ?? Number.POSITIVE_INFINITY);
  }
}

function mayCome({ begun, client, ended, life }: Outcome, shutdown: Shutdown, reach: Reach): boolean {
  if (life !== undefined && life !== shutdown.life.index) return false;
  const { startedAt, durationMs, result } = shutdown.verdict;
  const over = result === 'cancelled' ? startedAt + durationMs : shutdown.life.exitedAt;
  const from = Math.min(startedAt, shutdown.life.leftAt ?? startedAt);
  return ended >= (result === 'cancelled' ? startedAt : from) && begun <= reach.until(client, over);
}

function isKill({ lives, shutdowns }: Observed, { begun, client, ended, life }: Outcome, reach: Reach): boolean {
  return lives.some(
    (each) =>
      each.killedAt !== undefined &&
      (life === undefined || life === each.index) &&
      ended >= each.killedAt &&
      begun <= reach.until(client, each.killedAt) &&
      !shutdowns.some((shutdown) => shutdown.life === each),
  );
}

function isLateRefusal(
  { clients, delayMs }: Fleet,
  { refusedAt }: Observed,
  { begun, client, ended }: Outcome,
): boolean {
  const isIt = (at: number): boolean => begun <= at && ended >= at && ended - at < delayMs + LATE_MS;
  return clients[client]?.kind === 'consumer' && refusedAt.some(isIt);
}

function isOwnLie(client: Client | undefined, { sinceAckMs }: Outcome): boolean {
  return client?.kind === 'fake' && sinceAckMs !== undefined;
}

/** Ack and request come on two connections, so a provider surely recognizes only requests well after the ack. */
function lies(
  { delayMs, events }: Fleet,
  outcomes: readonly Outcome[],
  shutdowns: readonly Shutdown[],
): readonly Violation[] {
  const stallMs = Math.max(0, ...events.map((event) => (event.does === 'stall' ? event.ms : 0)));
  const surelyMs = ACK_MS + 2 * delayMs + stallMs;
  const seen = outcomes.filter(({ failure, sinceAckMs = 0 }) => sinceAckMs >= surelyMs && failure === undefined);
  return shutdowns.flatMap(({ life, verdict }) => {
    const own = seen.filter(({ begun, life: index }) => index === life.index && begun >= verdict.startedAt);
    if (verdict.result === 'cancelled') return [];
    if (own.length === 0 || !isCalledLossless(verdict)) return [];
    return [
      violation(
        'after_ack',
        `${life.provider} answered ${own.length} requests after an ack, its trace says ${verdict.result}`,
      ),
    ];
  });
}

function untraced({ lives, shutdowns }: Observed): readonly Life[] {
  return lives.filter(
    (life) =>
      life.readyAt !== undefined &&
      life.leftAt !== undefined &&
      life.killedAt === undefined &&
      life.exitedAt !== undefined &&
      !shutdowns.some((shutdown) => shutdown.life === life),
  );
}

function lossOf(unsaid: readonly Failure[], { beganAt }: Observed): string {
  const reasons = Object.entries(Object.groupBy(unsaid, ({ outcome }) => outcome.failure ?? ''));
  const first = unsaid[0] as Failure;
  const said = first.shutdowns.map(({ life, verdict }) => {
    const from = Math.round(verdict.startedAt - beganAt);
    const gone = life.exitedAt === undefined ? '' : `, gone at ${Math.round(life.exitedAt - beganAt)}`;
    return `${life.provider} at ${from} ${verdict.result} ${verdict.acked}/${verdict.planned}${gone}`;
  });
  return [
    `${unsaid.length} requests failed (${reasons.map(([reason, each]) => `${each?.length} ${reason}`).join(', ')})`,
    `the first of client ${first.outcome.client} at ${Math.round(first.outcome.begun - beganAt)}`,
    `and the traces say: ${said.join('; ')}`,
  ].join(', ');
}

function violation(kind: ViolationKind, text: string): Violation {
  return { kind, text };
}
