import type { Clock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import type { CollectorClient, Refusal } from './collector-client.ts';
import { type Claim, LONGEST_CLAIM_MS, type Spool } from './spool.ts';

/** Most files that are passed over: a collector that refuses as many is broken. */
const MOST_REFUSED = 20;

/** What a replay has done. */
export interface Replayed {
  readonly sent: number;
  /** Files that still wait. */
  readonly waiting: number;
  /** Shutdowns among them of processes that may still live: nobody can tell yet. */
  readonly unsure: number;
  /** Files that were removed, as the collector takes nothing of their signal. */
  readonly removed: number;
  /** Why the collector did not take the last one that it refused. */
  readonly reason?: string;
}

export interface ReplayOptions {
  readonly spool: Spool;
  readonly collector: CollectorClient;
  readonly clock: Clock;
  readonly log: Log;
  /** Sends also what waits for other collectors. */
  readonly everyTarget?: boolean;
  /** Ends it: what is being sent then waits again. */
  readonly signal?: AbortSignal;
}

/**
 * Sends the files of a spool, oldest first, and stops where the collector would take no other one either. One that is refused
 * for what it holds is set aside when another one is taken; when none is, who refuses may be no collector.
 *
 * @throws LosslessError LOSSLESS_EXPORT_FAILED when the spool is not one of this user
 */
export async function replaySpool(options: ReplayOptions): Promise<Replayed> {
  const { spool, collector, clock, log, everyTarget, signal } = options;
  const refused: { readonly claim: Claim; readonly refusal: Refusal }[] = [];
  let sent = 0;
  let removed = 0;
  let reason: string | undefined;
  /** Until when the claims that were refused are held. */
  let until = Number.POSITIVE_INFINITY;
  for await (const claim of spool.claims(everyTarget)) {
    const now = clock.now();
    const answer = await collector.post(claim.body, Math.min(LONGEST_CLAIM_MS, until - now), signal);
    if (answer === undefined || 'rejected' in answer) {
      await claim.done();
      sent++;
      if (answer !== undefined)
        log(
          'warn',
          `the collector did not take ${answer.rejected} ${spool.items} of a spooled file: ${answer.reason}`,
          {
            code: 'LOSSLESS_EXPORT_FAILED',
          },
        );
      continue;
    }
    reason = answer.reason;
    if (answer.isUnsupported) {
      await claim.done();
      removed++;
      continue;
    }
    refused.push({ claim, refusal: answer });
    until = Math.min(until, now + LONGEST_CLAIM_MS);
    if (answer.refuses === 'every' || refused.length === MOST_REFUSED || clock.now() >= until) break;
  }
  for (const { claim, refusal } of refused)
    await (sent > 0 && refusal.refuses === 'this' ? claim.setAside(refusal.reason) : claim.release());
  const waiting = await spool.size(everyTarget);
  return { sent, waiting, unsure: spool.unsure, removed, ...(reason !== undefined && { reason }) };
}
