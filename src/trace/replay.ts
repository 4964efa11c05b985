import type { Clock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import type { CollectorClient, Refusal } from './collector-client.ts';
import { type Claim, LONGEST_CLAIM_MS, type Spool } from './spool.ts';

/** Most refused files in one replay: a collector that refuses as many is broken. */
const MOST_REFUSED = 20;

/** What a replay has done. */
export interface Replayed {
  readonly sent: number;
  /** Files that still wait. */
  readonly waiting: number;
  /** Last wills among them whose owners may be alive or dead. */
  readonly unsure: number;
  /** Files that were removed, because the collector takes nothing of their signal. */
  readonly removed: number;
  /** Why the collector refused the last file that it refused. */
  readonly reason?: string;
}

export interface ReplayOptions {
  readonly spool: Spool;
  readonly collector: CollectorClient;
  readonly clock: Clock;
  readonly log: Log;
  /** Sends files for other collectors too. */
  readonly everyTarget?: boolean;
  /** Ends the replay; the file that is being sent then waits again. */
  readonly signal?: AbortSignal;
}

/**
 * Sends the files of a spool, oldest first, and stops when the collector would refuse every other one too. A file that is refused
 * for its content is set aside if the collector took another one; if it took none, it may be no collector, and the file waits.
 *
 * @throws LosslessError LOSSLESS_EXPORT_FAILED when the spool does not belong to this user
 */
export async function replaySpool(options: ReplayOptions): Promise<Replayed> {
  const { spool, collector, clock, log, everyTarget, signal } = options;
  const refused: { readonly claim: Claim; readonly refusal: Refusal }[] = [];
  let sent = 0;
  let removed = 0;
  let reason: string | undefined;
  /** When the claims of refused files must be given back. */
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
