import type { WorkName } from '../../lifecycle/facts.ts';
import { KILLED } from '../../lifecycle/outcomes.ts';
import { ATTR, SPANS, spanName } from './schema.ts';
import type { Span, Trace } from './trace.ts';

/** What the trace of a shutdown or of a start says, and whether all of it is there. */
export interface Verdict {
  readonly traceId: string;
  readonly kind: TraceKind;
  readonly service: string;
  readonly instanceId: string;
  /** `service.version` of that instance; empty when nothing says it. */
  readonly version: string;
  /** When a start was ready, milliseconds since the Unix epoch; null when it was not, and for a shutdown. */
  readonly readyAt: number | null;
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
  /** How long each phase took, in milliseconds; those that did not happen are missing. They overlap: telling and deregistering begin together. */
  readonly phases: Readonly<Partial<Record<Phase, number>>>;
  /** Every span that must be there is there. */
  readonly whole: boolean;
  /** What is missing or went wrong, in words; empty for a whole and successful shutdown. */
  readonly problems: readonly string[];
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

/** Spans that every trace of its kind has once, however it went. */
const ALWAYS: Readonly<Record<TraceKind, readonly WorkName[]>> = {
  offline: ['offline.started', 'notify', 'deregister'],
  online: ['online.started'],
};

/** Spans that one that was not cut short has once. */
const COMPLETED: Readonly<Record<TraceKind, readonly WorkName[]>> = {
  offline: ['drain', 'stop'],
  online: ['register', 'register.read_back', 'ready'],
};

/** Longest name and result that are told, in characters: a sender may have written anything. */
const LONGEST_NAME = 200;

/** A shutdown without its end may still be running for so long after its budget, in milliseconds. */
export const LATE_MS = 5_000;

/** What is said of a shutdown of which no end came. */
const NO_END = 'no end came: the process was killed, or its last spans wait in a spool';

/** The spans of ours in a trace, by their work. */
type Named = (work: WorkName) => readonly Span[];

/**
 * Reads the trace of a shutdown or of a start.
 *
 * @param now milliseconds since the Unix epoch; a shutdown without its end that should have ended by then was killed. Left out:
 * it may still run.
 */
export function assess({ traceId, spans: all }: Trace, now = Number.NEGATIVE_INFINITY): Verdict {
  const spans = all.filter((span) => span.name.startsWith('lossless.'));
  const named: Named = (work) => spans.filter((span) => span.name === spanName(work));
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
  // What an instance does not say, the lists of its consumers tell.
  const stranded = Number(root?.tags[ATTR.fanoutStranded] ?? named('consumer.refresh').filter(isEmptied).length);
  // Of one that was killed most may be missing, and nobody can say what.
  const missing =
    result === KILLED
      ? []
      : [
          ...missingSpans(kind, result, named),
          ...(orphans === 0 ? [] : [`${orphans} spans without their parent`]),
          ...missingConsumers(named, root === undefined ? undefined : { planned, acked }),
          ...spans
            .filter((span) => !(span.name.slice('lossless.'.length) in SPANS))
            .map((span) => `unknown span ${span.name}`),
        ];
  return {
    traceId,
    kind,
    service: nameOf(told?.tags[ATTR.service]),
    instanceId: nameOf(told?.tags[ATTR.instanceId]),
    version: nameOf(told?.version),
    readyAt: (kind === 'online' ? named('ready')[0]?.start : undefined) ?? null,
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
    problems: [
      ...missing,
      ...(result === KILLED ? [root?.message || NO_END] : []),
      ...wentWrong(kind, result, spans, afterAck, stranded),
    ],
  };
}

/** How long an instance gave signs of life after it began to leave, by the spans that it sent, in milliseconds. */
function livedMs(spans: readonly Span[], told: Span | undefined): number {
  if (told === undefined) return 0;
  const own = spans.filter(({ tags }) => tags[ATTR.instanceId] === told.tags[ATTR.instanceId]);
  return Math.max(0, ...own.map(({ start, durationMs }) => start + durationMs - told.start));
}

function nameOf(value: unknown): string {
  return String(value ?? '').slice(0, LONGEST_NAME);
}

/** Whether all of it is there and says that nothing was lost. One that was undone stopped nothing. */
export function isLossless({ afterAck, result, stranded, whole }: Verdict): boolean {
  return whole && afterAck === 0 && stranded === 0 && (result === 'success' || result === 'cancelled');
}

/** Whether it says anything about loss. An instance that was never ready had nothing to lose. */
export function isCounted({ result }: Verdict): boolean {
  return result !== 'never_ready';
}

/** The list of a consumer is empty, and it calls the service. */
function isEmptied({ tags }: Span): boolean {
  return tags[ATTR.addressCount] === 0 && tags[ATTR.refreshResult] !== 'unused';
}

function missingSpans(kind: TraceKind, result: string, named: Named): readonly string[] {
  const roots = named(kind).length;
  const lives = kind === 'offline' ? 'is still leaving' : 'still warms up';
  const isShort = result === 'cancelled' || result === 'error' || (kind === 'online' && result === 'missing');
  return [
    ...(roots === 0 ? [`the root span never arrived: the process was killed, or ${lives}`] : []),
    ...(roots > 1 ? [`${roots} root spans`] : []),
    ...[...ALWAYS[kind], ...(isShort ? [] : COMPLETED[kind])].flatMap((work) =>
      // Whoever appears late is told in a round of its own.
      named(work).length === 1 || (work === 'notify' && named(work).length > 1)
        ? []
        : [`${named(work).length} spans ${spanName(work)}, expected 1`],
    ),
  ];
}

/** @param said what the root says; undefined when it is not there */
function missingConsumers(
  named: Named,
  said: { readonly planned: number; readonly acked: number } | undefined,
): readonly string[] {
  const goaways = named('goaway');
  const ackedIds = new Set(
    goaways.filter((span) => span.tags[ATTR.goawayResult] === 'acked').map((span) => span.spanId),
  );
  const attempts = new Map(named('goaway.attempt').map((span) => [span.spanId, span.parentSpanId]));
  const refreshed = new Set(
    named('consumer.refresh').map((span) => attempts.get(span.parentSpanId) ?? span.parentSpanId),
  );
  const spanless = new Set(goaways.filter((span) => span.tags[ATTR.goawayUnused] === true).map((span) => span.spanId));
  const without = [...ackedIds].filter((id) => !refreshed.has(id) && !spanless.has(id)).length;
  const told = goaways.filter((span) => span.tags[ATTR.goawayResult] !== 'gone').length;
  return [
    ...(said !== undefined && told !== said.planned ? [`${told} GoAway spans for ${said.planned} planned`] : []),
    ...(said !== undefined && ackedIds.size !== said.acked
      ? [`${ackedIds.size} acked GoAway spans, the root says ${said.acked}`]
      : []),
    ...(without === 0 ? [] : [`${without} acked GoAways without the consumer's refresh span`]),
  ];
}

function wentWrong(
  kind: TraceKind,
  result: string,
  spans: readonly Span[],
  afterAck: number,
  stranded: number,
): readonly string[] {
  const failed = spans.filter((span) => span.isError && span.name === spanName('goaway'));
  const works = [...PHASES[kind].filter((phase) => phase !== 'notify'), 'handler' as const].map(
    spanName,
  ) as readonly string[];
  const others = spans.filter((span) => span.isError && works.includes(span.name));
  return [
    ...failed.map(
      (span) => span.message || `${span.tags[ATTR.peerService]} was not told: ${span.tags[ATTR.goawayResult]}`,
    ),
    ...others.map((span) => `${span.name}: ${span.message}`),
    ...(afterAck === 0 ? [] : [`${afterAck} requests came after the ack of their consumer`]),
    ...(stranded === 0 ? [] : [`${stranded} consumers had no other instance of the service to call`]),
    ...(['success', 'cancelled', 'missing', 'never_ready', KILLED].includes(result)
      ? []
      : [`the ${kind === 'offline' ? 'shutdown' : 'start'} ended with ${result}`]),
  ];
}
