import type { OfflineResult } from '../../lifecycle/outcomes.ts';
import { ATTR } from './schema.ts';
import { counted, type Span } from './trace.ts';

/** Pages of `docs/runbooks`: what to look at and what to do. */
export type Runbook =
  | 'LosslessDeregistrationNotConfirmed'
  | 'LosslessDrainTimedOut'
  | 'LosslessEntryNotTold'
  | 'LosslessEntryStillSending'
  | 'LosslessFanOutIncomplete'
  | 'LosslessLastInstance'
  | 'LosslessRequestsAfterAck'
  | 'LosslessRequestsCut'
  | 'LosslessRequestsReset'
  | 'LosslessShutdownTruncated'
  | 'LosslessTelemetrySpooled';

/** Why a shutdown ended badly, and the page that tells what to do. */
export interface Cause {
  readonly text: string;
  /** Undefined when no page covers this cause. */
  readonly runbook: Runbook | undefined;
}

/** The spans that tell the cause of a bad result; a span is undefined until it arrives. */
export interface Said {
  readonly root: Span | undefined;
  readonly drain: Span | undefined;
  readonly stop: Span | undefined;
  readonly entry: Span | undefined;
}

/** The cause of a shutdown whose end never arrived. */
const NO_END = 'the end of the shutdown never arrived: the process was killed, or its last spans wait in a spool';

/** The cause of each bad result. */
const CAUSES: Partial<Readonly<Record<OfflineResult, (said: Said) => Cause>>> = {
  killed: ({ root }) => ({ text: root?.message || NO_END, runbook: 'LosslessShutdownTruncated' }),
  timeout: (said) => ({
    text: `the grace period ended ${leftOf(said)}`,
    runbook: number(said.stop, ATTR.socketsForced) > 0 ? 'LosslessRequestsCut' : 'LosslessDrainTimedOut',
  }),
  last_instance: ({ root }) => ({
    text: root?.message || 'consumers still called and had no other instance of the service to call',
    runbook: 'LosslessLastInstance',
  }),
  incomplete: (said) => ({
    text: said.root?.message || 'a caller did not learn of the shutdown, or the registry did not confirm the removal',
    runbook: untoldOf(said),
  }),
  error: ({ root }) => ({ text: `the plugin failed: ${root?.message || 'no reason was given'}`, runbook: undefined }),
};

/** Results that need no cause: the shutdown went well, or its end may still arrive. */
const CONTENT: readonly string[] = ['success', 'cancelled', 'never_ready', 'missing'];

/** The cause in an operator's words; undefined for a result without one. */
export function causeOf(result: string, said: Said): Cause | undefined {
  if (CONTENT.includes(result)) return undefined;
  const known = Object.hasOwn(CAUSES, result) ? CAUSES[result as OfflineResult]?.(said) : undefined;
  return known ?? { text: `the shutdown ended with the result ${result}`, runbook: undefined };
}

/** The unfinished work, the most important first. */
function leftOf({ drain, root, stop }: Said): string {
  const idle = drain?.tags[ATTR.consumersIdle];
  const busy = idle === undefined ? 0 : number(root, ATTR.fanoutAcked) - Number(idle);
  const left = [
    [number(stop, ATTR.socketsForced), 'connection', ' cut while busy'],
    [number(drain, ATTR.inflightEnd), 'request', ' in flight'],
    [number(root, ATTR.unmanaged), 'request', ' of callers without the plugin, which get no GoAway'],
    [busy, 'consumer', ' not idle'],
  ] as const;
  const given = left.filter(([count]) => count > 0).map(([count, word, words]) => `${counted(count, word)}${words}`);
  return given.length === 0 ? 'before all traffic had ended' : `with ${given.join('; ')}`;
}

function untoldOf({ entry, root, stop }: Said): Runbook | undefined {
  if (number(root, ATTR.fanoutAcked) < number(root, ATTR.fanoutPlanned)) return 'LosslessFanOutIncomplete';
  if (['unconfirmed', 'failed'].includes(String(root?.tags[ATTR.deregisterResult])))
    return 'LosslessDeregistrationNotConfirmed';
  if (stop?.tags[ATTR.errorType] === 'reset') return 'LosslessRequestsReset';
  if (entry?.tags[ATTR.entryTold] === false) return 'LosslessEntryNotTold';
  return entry?.tags[ATTR.entryEndedBy] === 'coming' ? 'LosslessEntryStillSending' : undefined;
}

function number(span: Span | undefined, name: string): number {
  return Number(span?.tags[name] ?? 0) || 0;
}
