import type { WorkName } from '../lifecycle/records.ts';
import { ATTR, SPANS, spanName } from './schema.ts';
import type { Span, Trace } from './trace.ts';

/** What a shutdown trace says, and whether all of it is there. */
export interface Verdict {
  readonly traceId: string;
  readonly service: string;
  readonly instanceId: string;
  /** `missing` when the root never arrived. */
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

/** Parts of a shutdown, each with a span of its own. */
export const PHASES = ['notify', 'deregister', 'drain', 'stop'] as const;
export type Phase = (typeof PHASES)[number];

/** Spans that every shutdown has once, however it went. */
const ALWAYS: readonly WorkName[] = ['offline.started', 'notify', 'deregister'];

/** Spans that a shutdown that was not undone has once. */
const COMPLETED: readonly WorkName[] = ['drain', 'stop'];

/** Reads a shutdown trace. */
export function assess({ traceId, spans: all }: Trace): Verdict {
  const spans = all.filter((span) => span.name.startsWith('lossless.'));
  const named = (work: WorkName): readonly Span[] => spans.filter((span) => span.name === spanName(work));
  const [root] = named('offline');
  const told = root ?? named('offline.started')[0];
  const ids = new Set(all.map((span) => span.spanId));
  const orphans = spans.filter((span) => span.parentSpanId !== '' && !ids.has(span.parentSpanId)).length;
  const result = String(root?.tags[ATTR.offlineResult] ?? 'missing');
  const planned = Number(root?.tags[ATTR.fanoutPlanned] ?? 0);
  const acked = Number(root?.tags[ATTR.fanoutAcked] ?? 0);
  const afterAck = Number(root?.tags[ATTR.afterAck] ?? 0);
  const refreshes = named('consumer.refresh').length;
  const missing = missingParts(named, spans, { orphans, planned, acked, result });
  return {
    traceId,
    service: String(told?.tags[ATTR.service] ?? ''),
    instanceId: String(told?.tags[ATTR.instanceId] ?? ''),
    result,
    planned,
    acked,
    spans: spans.length,
    orphans,
    refreshes,
    afterAck,
    startedAt: told?.start ?? 0,
    durationMs: root?.durationMs ?? 0,
    gracePeriodMs: Number(told?.tags[ATTR.gracePeriod] ?? 0) * 1_000,
    phases: Object.fromEntries(PHASES.flatMap((phase) => named(phase).map((span) => [phase, span.durationMs]))),
    whole: missing.length === 0,
    problems: [...missing, ...wentWrong(result, spans, afterAck)],
  };
}

function missingParts(
  named: (work: WorkName) => readonly Span[],
  spans: readonly Span[],
  { orphans, planned, acked, result }: { orphans: number; planned: number; acked: number; result: string },
): readonly string[] {
  const roots = named('offline').length;
  const goaways = named('goaway');
  const ackedIds = new Set(
    goaways.filter((span) => span.tags[ATTR.goawayResult] === 'acked').map((span) => span.spanId),
  );
  const attempts = new Map(named('goaway.attempt').map((span) => [span.spanId, span.parentSpanId]));
  const refreshed = new Set(
    named('consumer.refresh').map((span) => attempts.get(span.parentSpanId) ?? span.parentSpanId),
  );
  const without = [...ackedIds].filter((id) => !refreshed.has(id)).length;
  const expected = result === 'cancelled' || result === 'error' ? ALWAYS : [...ALWAYS, ...COMPLETED];
  const toldOf = goaways.filter((span) => span.tags[ATTR.goawayResult] !== 'gone').length;
  return [
    ...(roots === 1
      ? []
      : [
          roots === 0
            ? 'the root span never arrived: the process was killed, or is still leaving'
            : `${roots} root spans`,
        ]),
    ...expected.flatMap((work) =>
      named(work).length === 1 ? [] : [`${named(work).length} spans ${spanName(work)}, expected 1`],
    ),
    ...(orphans === 0 ? [] : [`${orphans} spans without their parent`]),
    ...(roots === 1 && toldOf !== planned ? [`${toldOf} GoAway spans for ${planned} planned`] : []),
    ...(roots === 1 && ackedIds.size !== acked ? [`${ackedIds.size} acked GoAway spans, the root says ${acked}`] : []),
    ...(without === 0 ? [] : [`${without} acked GoAways without the consumer's refresh span`]),
    ...spans
      .filter((span) => !(span.name.slice('lossless.'.length) in SPANS))
      .map((span) => `unknown span ${span.name}`),
  ];
}

function wentWrong(result: string, spans: readonly Span[], afterAck: number): readonly string[] {
  const failed = spans.filter((span) => span.isError && span.name === spanName('goaway'));
  const others = spans.filter(
    (span) =>
      span.isError && [spanName('deregister'), spanName('drain'), spanName('stop')].includes(span.name as never),
  );
  return [
    ...failed.map(
      (span) => span.message || `${span.tags[ATTR.peerService]} was not told: ${span.tags[ATTR.goawayResult]}`,
    ),
    ...others.map((span) => `${span.name}: ${span.message}`),
    ...(afterAck === 0 ? [] : [`${afterAck} requests came after the ack of their consumer`]),
    ...(result === 'success' || result === 'cancelled' || result === 'missing'
      ? []
      : [`the shutdown ended with ${result}`]),
  ];
}
