import type { Known, WorkName } from './facts.ts';
import type { State, Trigger } from './transitions.ts';

/** The diagnostics channel on which every record is published. */
export const RECORDS = 'lossless:record';

/** The position of one piece of work in its trace, in the lower-case hexadecimal of W3C Trace Context. */
export interface SpanIds {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
}

/** Why a piece of work failed: `type` has low cardinality, `message` is for people. */
export interface Failure {
  readonly type: string;
  readonly message: string;
}

/** Common to all records: when it happened, in milliseconds since the Unix epoch with a fraction. */
interface Stamped {
  readonly at: number;
}

/** The machine moved, or refused to. */
export interface Moved extends Stamped {
  readonly kind: 'transition' | 'refused';
  readonly from: State;
  readonly trigger: Trigger;
  /** Where the machine went; for a refused trigger, where it stays. */
  readonly to: State;
  /** The offline or online that was running, if any. */
  readonly ids?: SpanIds;
}

/** A piece of work began. */
export interface Started<W extends WorkName> extends Stamped {
  readonly kind: 'started';
  readonly work: W;
  readonly ids: SpanIds;
  /** Absent for the root of a trace. */
  readonly parentSpanId?: string;
  /** The parent lives in another process. */
  readonly remoteParent?: boolean;
  /** Causes in other traces. */
  readonly links?: readonly SpanIds[];
  readonly facts: Known<W>;
}

/** A piece of work ended; `facts` are those that became known after its beginning. */
export interface Ended<W extends WorkName> extends Stamped {
  readonly kind: 'ended';
  readonly work: W;
  readonly ids: SpanIds;
  readonly facts: Known<W>;
  readonly failure?: Failure;
}

/** The records of the begin and of the end of a piece of work: `work` decides which facts each has. */
export type StartRecord = { [W in WorkName]: Started<W> }[WorkName];
export type EndRecord = { [W in WorkName]: Ended<W> }[WorkName];
export type WorkRecord = StartRecord | EndRecord;

/**
 * Every event, as a flat object. Trace, log lines, the diagnostics channel and metrics are derived only from these, so that they
 * cannot disagree. POLICY: a new fact becomes a field, not a kind.
 */
export type LifecycleRecord = Moved | WorkRecord;
