import { isObject, objectIn } from '../json.ts';
import type { WorkName } from '../lifecycle/facts.ts';
import { KILLED } from '../lifecycle/outcomes.ts';
import type { SpanIds } from '../lifecycle/records.ts';
import { ATTR, type Attributes } from './model/schema.ts';
import { milliseconds } from './model/trace.ts';
import { otlpBody } from './otlp-body.ts';

/** A process, told apart from a later one with the same id. */
export interface Owner {
  readonly pid: number;
  /** When it started, in clock ticks since boot (`/proc/<pid>/stat`, field 22); 0 where that is not known. */
  readonly started: number;
  /** Where its id is unique: a machine since its boot and, on Linux, one space of process ids. */
  readonly space: string;
}

/**
 * The root of a shutdown's trace as far as it is known; another process sends it if this one dies. It stays in the spool from the
 * trigger until the real root is handed over; the time of its file is the last sign of life.
 */
export interface LastWill {
  readonly owner: Owner;
  readonly resource: Attributes;
  readonly ids: SpanIds;
  readonly links: readonly SpanIds[];
  /** Milliseconds since the Unix epoch. */
  readonly start: number;
  readonly gracePeriodMs: number;
  /** What the process did last. */
  readonly during: WorkName;
  readonly attributes: Attributes;
}

/** Longest last will that the plugin reads, in bytes. */
export const LONGEST_WILL = 256 * 1_024;

/** What a process did, in words. */
const DOING: Partial<Record<WorkName, string>> = {
  notify: 'while it told consumers and the registry',
  deregister: 'while it told consumers and the registry',
  drain: 'while it drained',
  stop: 'while it stopped',
  offline: 'before it had sent its trace',
};

/**
 * @throws Error when `text` is not a last will
 */
export function readLastWill(text: string): LastWill {
  const will: Partial<LastWill> | undefined = objectIn(text);
  const { owner, ids, start, gracePeriodMs, links } = will ?? {};
  const isWhole =
    isObject(owner) &&
    Number.isSafeInteger(owner.pid) &&
    Number.isSafeInteger(owner.started) &&
    typeof owner.space === 'string' &&
    isObject(ids) &&
    /^[0-9a-f]{32}$/.test(ids.traceId) &&
    /^[0-9a-f]{16}$/.test(ids.spanId) &&
    Number.isFinite(start) &&
    Number.isFinite(gracePeriodMs) &&
    Array.isArray(links) &&
    isObject(will?.resource) &&
    isObject(will?.attributes);
  if (!isWhole) throw new Error('the file is not a last will');
  return will as LastWill;
}

/**
 * The request body with the root of a shutdown whose process is dead. The root ends at the last sign of life, and never after the
 * grace period.
 *
 * @param lastSign milliseconds since the Unix epoch
 */
export function closingBody(will: LastWill, lastSign: number): string {
  const { attributes, during, gracePeriodMs, ids, links, resource, start } = will;
  const lived = Math.min(Math.max(lastSign - start, 0), gracePeriodMs);
  const failure = {
    type: KILLED,
    message: `the process was killed ${DOING[during] ?? 'while it left'}; its last sign of life came ${milliseconds(lived)} after it began to leave`,
  };
  const said = { ...attributes, [ATTR.offlineResult]: KILLED, [ATTR.errorType]: failure.type };
  const root = { work: 'offline', ids, links, start, end: start + lived, attributes: said, failure } as const;
  return JSON.stringify(otlpBody(resource, [root]));
}
