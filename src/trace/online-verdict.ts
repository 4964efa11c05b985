import type { WorkName } from '../lifecycle/records.ts';
import { ATTR, spanName } from './schema.ts';
import type { Trace } from './trace.ts';

/** What the trace of a start says, and whether all of it is there. */
export interface OnlineVerdict {
  readonly traceId: string;
  readonly service: string;
  readonly instanceId: string;
  /** `missing` when the root never arrived. */
  readonly result: string;
  readonly spans: number;
  /** Spans whose parent is not in the trace. */
  readonly orphans: number;
  readonly whole: boolean;
}

/** Spans of a start that was not cancelled. */
const COMPLETED: readonly WorkName[] = ['online.started', 'register', 'register.read_back', 'ready'];

/** Reads the trace of a start. */
export function assessOnline({ traceId, spans }: Trace): OnlineVerdict {
  const count = (work: WorkName): number => spans.filter(({ name }) => name === spanName(work)).length;
  const root = spans.find(({ name }) => name === spanName('online'));
  const told = root ?? spans.find(({ name }) => name === spanName('online.started'));
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const orphans = spans.filter(({ parentSpanId }) => parentSpanId !== '' && !ids.has(parentSpanId)).length;
  const result = String(root?.tags[ATTR.onlineResult] ?? 'missing');
  const expected = result === 'success' ? COMPLETED : [];
  return {
    traceId,
    service: String(told?.tags[ATTR.service] ?? ''),
    instanceId: String(told?.tags[ATTR.instanceId] ?? ''),
    result,
    spans: spans.length,
    orphans,
    whole: count('online') === 1 && orphans === 0 && expected.every((work) => count(work) === 1),
  };
}
