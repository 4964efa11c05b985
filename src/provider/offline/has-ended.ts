import { unlessAborted } from '../../lifecycle/abort.ts';
import type { Deadline } from '../../lifecycle/deadline.ts';
import type { GoAwayResult } from '../../lifecycle/outcomes.ts';
import type { RecentCaller } from '../traffic/recent-caller.ts';
import type { Presence } from './presence.ts';

/** Longest wait for the registry's answer whether a caller is still listed, in milliseconds. */
const PRESENCE_MS = 1_000;

export interface HasEndedOptions {
  readonly deadline: Deadline;
  readonly signal: AbortSignal;
  /** Looks a caller up in the registry. */
  readonly presenceOf: (entry: RecentCaller) => Promise<Presence>;
}

/**
 * Whether a caller that did not answer has exited. This must be proved: its control server has answered this instance before, it
 * holds no connection, and the registry does not list it. Silence proves less than a refusal, so after silence the registry must
 * also list other instances of its service.
 */
export async function hasEnded(
  entry: RecentCaller,
  result: GoAwayResult,
  { deadline, presenceOf, signal }: HasEndedOptions,
): Promise<boolean> {
  const isRefused = result === 'refused' || result === 'gone';
  if (!isRefused && result !== 'timeout' && result !== 'unreachable') return false;
  if (entry.reached !== true || entry.open > 0 || signal.aborted) return false;
  const asked = presenceOf(entry).catch((): Presence => 'listed');
  const answered = deadline.within(asked, 'listed' as const, PRESENCE_MS);
  const presence = await unlessAborted(signal, answered, 'listed' as const);
  return entry.open === 0 && (presence === 'others' || (presence === 'nobody' && isRefused));
}
