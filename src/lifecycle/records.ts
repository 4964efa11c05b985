import type { State, Trigger } from './transitions.ts';

/** What an attribute can hold. Times are numbers in the unit that the attribute's documentation names. */
export type AttributeValue = string | number | boolean | readonly string[] | readonly number[];

/** Attributes by name; names are those of `src/trace/model/schema.ts`. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** The position of one piece of work in its trace, in the lower-case hexadecimal of W3C Trace Context. */
export interface SpanIds {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
}

/** A piece of work that is measured and traced; its span is called `lossless.` + this name. */
export type WorkName =
  | 'offline'
  | 'offline.started'
  | 'notify'
  | 'notify.service'
  | 'goaway'
  | 'goaway.attempt'
  | 'consumer.refresh'
  | 'deregister'
  | 'drain'
  | 'stop'
  | 'online'
  | 'online.started'
  | 'delay'
  | 'probe'
  | 'preconnect'
  | 'register'
  | 'register.read_back'
  | 'ready'
  | 'warmup';

/** Why a piece of work failed: `type` has low cardinality, `message` is for people. */
export interface Failure {
  readonly type: string;
  readonly message: string;
}

/** Common to all records: when it happened, in milliseconds since the Unix epoch with a fraction. */
interface Stamped {
  readonly at: number;
}

/**
 * Everything that happens, as flat objects. Trace, log lines, the diagnostics channel and metrics are derived from these
 * and from nothing else, so that they cannot disagree. POLICY: a new fact becomes a field, not a kind.
 */
export type LifecycleRecord =
  | (Stamped & {
      readonly kind: 'transition' | 'refused';
      readonly from: State;
      readonly trigger: Trigger;
      /** Where the machine went; for a refused trigger, where it stays. */
      readonly to: State;
      /** The offline or online that was running, if any. */
      readonly ids?: SpanIds;
    })
  | (Stamped & {
      readonly kind: 'started';
      readonly work: WorkName;
      readonly ids: SpanIds;
      /** Absent for the root of a trace. */
      readonly parentSpanId?: string;
      /** The parent lives in another process. */
      readonly remoteParent?: boolean;
      /** Causes in other traces. */
      readonly links?: readonly SpanIds[];
      readonly attributes: Attributes;
    })
  | (Stamped & {
      readonly kind: 'ended';
      readonly work: WorkName;
      readonly ids: SpanIds;
      readonly attributes: Attributes;
      readonly failure?: Failure;
    });
