import type { WorkName } from '../../lifecycle/facts.ts';
import { KILLED } from '../../lifecycle/outcomes.ts';
import { type Cause, causeOf, type Runbook } from './cause.ts';
import { type Marks, marksOf } from './marks.ts';
import { missingParts, type Named } from './missing.ts';
import { ATTR, spanName } from './schema.ts';
import { counted, type Span, type Trace } from './trace.ts';

/** What the trace of a shutdown or of a start says, and whether that trace is complete. */
export interface Verdict {
  readonly traceId: string;
  readonly kind: TraceKind;
  readonly service: string;
  readonly instanceId: string;
  /** `service.version` of that instance; empty when nothing says it. */
  readonly version: string;
  /** `service.namespace` of that instance; empty likewise. */
  readonly namespace: string;
  /** Start of that process, milliseconds since the Unix epoch; 0 when no span says it. */
  readonly generation: number;
  /** The moments that it passed. */
  readonly marks: Marks;
  /** `missing` when the root has not arrived; `killed` also when it never will. */
  readonly result: string;
  readonly planned: number;
  readonly acked: number;
  readonly spans: number;
  /** Spans whose parent is not in the trace. */
  readonly orphans: number;
  /** Consumers' refresh spans. */
  readonly refreshes: number;
  /** Requests of consumers that came after their ack. */
  readonly afterAck: number;
  /** Consumers that still called and had no other instance of the service to call. */
  readonly stranded: number;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  readonly durationMs: number;
  /** Budget of the shutdown, in milliseconds; 0 when no span says it. */
  readonly gracePeriodMs: number;
  /** Duration of each phase that happened, in milliseconds. Phases overlap: `notify` and `deregister` begin together. */
  readonly phases: Readonly<Partial<Record<Phase, number>>>;
  /** Every span that must be there is there. */
  readonly whole: boolean;
  /** What went wrong and what is missing, in words, the cause first; empty for a whole and successful shutdown. */
  readonly problems: readonly string[];
  /** The page of `docs/runbooks` about the first problem; null when there is none. */
  readonly runbook: Runbook | null;
}

/** What a trace of ours is about. */
export type TraceKind = 'offline' | 'online';

/** Parts of a shutdown and of a start, each with a span of its own. */
export const PHASES = {
  offline: ['notify', 'deregister', 'drain', 'stop'],
  online: ['delay', 'probe', 'preconnect', 'register', 'register.read_back', 'warmup'],
} as const satisfies Readonly<Record<TraceKind, readonly WorkName[]>>;
export type Phase = (typeof PHASES)[TraceKind][number];

const RESULT = { offline: ATTR.offlineResult, online: ATTR.onlineResult } as const;

/** Longest name and result in a verdict, in characters: a sender may have written anything. */
const LONGEST_NAME = 200;

/** How long after its grace period a shutdown without an end may still be running, in milliseconds. */
export const LATE_MS = 5_000;

/**
 * Reads the trace of a shutdown or of a start.
 *
 * @param now milliseconds since the Unix epoch; a shutdown without an end that should have ended by then was killed. By default
 * it may still run.
 */
export function assess({ traceId, spans: all }: Trace, now = Number.NEGATIVE_INFINITY): Verdict {
  const spans = all.filter((span) => span.name.startsWith('lossless.'));
  const byName = Map.groupBy(spans, ({ name }) => name);
  const named: Named = (work) => byName.get(spanName(work)) ?? [];
  const kind = named('online').length + named('online.started').length > 0 ? 'online' : 'offline';
  const [root] = named(kind);
  const told = root ?? named(`${kind}.started`)[0];
  const ids = new Set(all.map((span) => span.spanId));
  const orphans = spans.filter((span) => span.parentSpanId !== '' && !ids.has(span.parentSpanId)).length;
  const gracePeriodMs = Number(told?.tags[ATTR.gracePeriod] ?? 0) * 1_000;
  const isOver = kind === 'offline' && told !== undefined && now >= told.start + gracePeriodMs + LATE_MS;
  const result = nameOf(root?.tags[RESULT[kind]] ?? (isOver ? KILLED : 'missing'));
  const goaways = named('goaway').map(({ tags }) => tags[ATTR.goawayResult]);
  const planned = Number(root?.tags[ATTR.fanoutPlanned] ?? goaways.filter((each) => each !== 'gone').length);
  const acked = Number(root?.tags[ATTR.fanoutAcked] ?? goaways.filter((each) => each === 'acked').length);
  const afterAck = Number(root?.tags[ATTR.afterAck] ?? 0);
  // When the instance does not say it, the lists of its consumers do.
  const stranded = Number(root?.tags[ATTR.fanoutStranded] ?? named('consumer.refresh').filter(isEmptied).length);
  // Most spans of a killed process may be missing, and nothing tells which.
  const missing = result === KILLED ? [] : missingParts(kind, result, [...byName.keys()], named, orphans);
  const wrong = kind === 'offline' ? wrongOf(result, named, afterAck, stranded) : [];
  const causes = wrong.map(({ text }) => text);
  return {
    traceId,
    kind,
    service: nameOf(told?.tags[ATTR.service]),
    instanceId: nameOf(told?.tags[ATTR.instanceId]),
    version: nameOf(told?.version),
    namespace: nameOf(told?.namespace),
    generation: Number(told?.tags[ATTR.generation] ?? 0),
    marks: marksOf(kind, result === 'cancelled', named),
    result,
    planned,
    acked,
    spans: spans.length,
    orphans,
    refreshes: named('consumer.refresh').length,
    afterAck,
    stranded,
    startedAt: told?.start ?? 0,
    durationMs: root?.durationMs ?? Math.min(livedMs(spans, told), gracePeriodMs),
    gracePeriodMs,
    phases: Object.fromEntries(
      PHASES[kind].flatMap((phase) =>
        named(phase)
          .slice(0, 1)
          .map((span) => [phase, span.durationMs]),
      ),
    ),
    whole: missing.length === 0 && result !== KILLED,
    problems: [...causes, ...failures(kind, result, spans, causes), ...missing],
    runbook: wrong[0]?.runbook ?? (missing.length > 0 && result !== 'missing' ? 'LosslessTelemetrySpooled' : null),
  };
}

/** Time from the begin of a shutdown to the last span that the instance sent, in milliseconds. */
function livedMs(spans: readonly Span[], told: Span | undefined): number {
  if (told === undefined) return 0;
  const own = spans.filter(({ tags }) => tags[ATTR.instanceId] === told.tags[ATTR.instanceId]);
  return Math.max(0, ...own.map(({ start, durationMs }) => start + durationMs - told.start));
}

function nameOf(value: unknown): string {
  return String(value ?? '').slice(0, LONGEST_NAME);
}

/** Whether the trace is complete and the shutdown lost nothing. An undone shutdown stopped nothing, so it is lossless. */
export function isLossless({ afterAck, result, stranded, whole }: Verdict): boolean {
  return whole && afterAck === 0 && stranded === 0 && (result === 'success' || result === 'cancelled');
}

/** Whether a shutdown counts for the release gate. An instance that was never ready had nothing to lose. */
export function isCounted({ result }: Verdict): boolean {
  return result !== 'never_ready';
}

/** A consumer that calls the service has an empty list. */
function isEmptied({ tags }: Span): boolean {
  return tags[ATTR.addressCount] === 0 && tags[ATTR.refreshResult] !== 'unused';
}

/** What went wrong with a shutdown as a whole, the cause of its result first. */
function wrongOf(result: string, named: Named, afterAck: number, stranded: number): readonly Cause[] {
  const [[root], [drain], [stop], [entry]] = [named('offline'), named('drain'), named('stop'), named('entry')];
  const cause = causeOf(result, { root, drain, stop, entry });
  const late: Cause = {
    text: `${counted(afterAck, 'request')} came after the ack of their consumer`,
    runbook: 'LosslessRequestsAfterAck',
  };
  const alone: Cause = {
    text: `${counted(stranded, 'consumer')} had no other instance of the service to call`,
    runbook: 'LosslessLastInstance',
  };
  return [
    ...(cause === undefined ? [] : [cause]),
    ...(afterAck === 0 ? [] : [late]),
    ...(stranded === 0 || result === 'last_instance' ? [] : [alone]),
  ];
}

/** Failed GoAways, and failed parts of the work. @param causes what is said of the shutdown already */
function failures(
  kind: TraceKind,
  result: string,
  spans: readonly Span[],
  causes: readonly string[],
): readonly string[] {
  const failed = spans.filter((span) => span.isError && span.name === spanName('goaway'));
  // The cause of a time-out already says what the drain and the stop say.
  const told: readonly string[] =
    result === 'timeout' || result === 'last_instance' ? ['notify', 'drain', 'stop'] : ['notify'];
  const works: readonly string[] = [...PHASES[kind].filter((phase) => !told.includes(phase)), 'handler' as const].map(
    spanName,
  );
  const others = spans.filter(
    (span) => span.isError && works.includes(span.name) && !causes.includes(span.message ?? ''),
  );
  return [
    ...failed.map(
      (span) => span.message || `the GoAway to ${span.tags[ATTR.peerService]} failed: ${span.tags[ATTR.goawayResult]}`,
    ),
    ...others.map((span) => `${span.name.slice('lossless.'.length)}: ${span.message}`),
    ...(kind === 'online' && !['success', 'cancelled', 'missing'].includes(result)
      ? [`the start ended with the result ${result}`]
      : []),
  ];
}
