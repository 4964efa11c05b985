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
  /** Why the collector did not take the last one that it refused. */
  readonly reason?: string;
}

export interface ReplayOptions {
  readonly spool: Spool;
  readonly collector: CollectorClient;
  readonly log: Log;
  /** Ends it: what is being sent then waits again. */
  readonly signal?: AbortSignal;
}

/**
 * Sends the files of a spool, oldest first, and stops where the collector would take no other one either. One that is refused
 * for what it holds is set aside when another one is taken; when none is, who refuses may be no collector.
 *
 * @throws LosslessError LOSSLESS_EXPORT_FAILED when the spool is not one of this user
 */
export async function replaySpool({ spool, collector, log, signal }: ReplayOptions): Promise<Replayed> {
  const refused: { readonly claim: Claim; readonly refusal: Refusal }[] = [];
  let sent = 0;
  for await (const claim of spool.claims()) {
    const answer = await collector.post(claim.body, LONGEST_CLAIM_MS, signal);
    if (answer === undefined || 'rejected' in answer) {
      await claim.done();
      sent++;
      if (answer !== undefined)
        log('warn', `the collector did not take ${answer.rejected} spans of a spooled file: ${answer.reason}`, {
          code: 'LOSSLESS_EXPORT_FAILED',
        });
      continue;
    }
    refused.push({ claim, refusal: answer });
    if (answer.refuses === 'every' || refused.length === MOST_REFUSED) break;
  }
  for (const { claim, refusal } of refused)
    await (sent > 0 && refusal.refuses === 'this' ? claim.setAside(refusal.reason) : claim.release());
  const reason = refused.at(-1)?.refusal.reason;
  return { sent, waiting: await spool.size(), ...(reason !== undefined && { reason }) };
}
