import type { Coverage } from '../../lifecycle/facts.ts';
import type { DrainResult, OfflineResult } from '../../lifecycle/outcomes.ts';
import type { Failure } from '../../lifecycle/records.ts';

/** The facts that decide the result of an offline. */
export interface Outcome {
  readonly coverage: Coverage;
  /** Undefined when it never drained. */
  readonly drainResult: DrainResult | undefined;
  /** The instance was never ready and served nobody. */
  readonly hadNothing: boolean;
  /** Handlers of the application that had not ended at the deadline. */
  readonly unfinished: readonly string[];
  /** Callers that a full table forgot, or that were too many to tell. */
  readonly overflowed: number;
  /** The registry did not confirm that the instance has left. */
  readonly unconfirmed: boolean;
  /** Why consumers have not acked, with counts. */
  readonly causes: string;
  /** Why callers come or may come that cannot be told, in words; undefined: none are known. */
  readonly exposed: string | undefined;
}

/** Results that mark the root as failed. */
const FAILED: ReadonlySet<OfflineResult> = new Set(['incomplete', 'timeout', 'last_instance']);

/** The result of an offline without a failure of the plugin. */
export function resultOf({
  coverage,
  drainResult,
  exposed,
  hadNothing,
  overflowed,
  unconfirmed,
  unfinished,
}: Outcome): OfflineResult {
  if (drainResult === 'cancelled') return 'cancelled';
  if (hadNothing && unfinished.length === 0) return 'never_ready';
  if (coverage.stranded > 0) return 'last_instance';
  if (drainResult === 'timeout' || unfinished.length > 0) return 'timeout';
  const { acked, idle, planned } = coverage;
  const isTold = acked === planned && idle === acked && overflowed === 0;
  return isTold && !unconfirmed && exposed === undefined ? 'success' : 'incomplete';
}

/** The failure on the root for a result that is not good. */
export function failureOf(result: OfflineResult, outcome: Outcome): Failure | undefined {
  return FAILED.has(result) ? { type: result, message: describe(result, outcome) } : undefined;
}

/** Why a drain reached its deadline. @param tasks names of the tasks of the application that still run */
export function describeTimeout(coverage: Coverage, tasks: readonly string[] | undefined): string {
  if (coverage.stranded > 0) return describeStranded(coverage);
  if (tasks !== undefined) return `the deadline came before tasks of the application were over: ${tasks.join(', ')}`;
  return 'the deadline came before traffic was over';
}

function describeStranded({ stranded }: Coverage): string {
  return `${stranded} consumers still called and had no other instance of the service to call`;
}

function describe(result: OfflineResult, { causes, coverage, drainResult, exposed, unfinished }: Outcome): string {
  const { acked, idle, planned } = coverage;
  if (result === 'last_instance') return describeStranded(coverage);
  if (result === 'timeout')
    return drainResult === 'timeout'
      ? 'the grace period ended with work left'
      : `the grace period ended before these handlers of the application: ${unfinished.join(', ')}`;
  if (acked < planned) return `${planned - acked} of ${planned} consumers were not told: ${causes}`;
  if (idle < acked) return `${acked - idle} of ${acked} consumers never said that they were idle`;
  return exposed ?? 'a caller did not learn of the shutdown, or the registry did not confirm the removal';
}
