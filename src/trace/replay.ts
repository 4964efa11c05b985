import type { CollectorClient } from './collector-client.ts';
import type { Spool } from './spool.ts';

/** What a replay has done. */
export interface Replayed {
  readonly sent: number;
  /** Files that still wait. */
  readonly waiting: number;
  /** Why it stopped before the spool was empty. */
  readonly reason?: string;
}

/**
 * Sends the files of a spool, oldest first, and stops at the first that the collector does not take.
 *
 * @throws LosslessError LOSSLESS_EXPORT_FAILED when the spool is not one of this user
 */
export async function replaySpool(spool: Spool, collector: CollectorClient): Promise<Replayed> {
  let sent = 0;
  for await (const claim of spool.claims()) {
    const answer = await collector.post(claim.body);
    if (answer !== undefined && !('rejected' in answer)) {
      await claim.release();
      return { sent, waiting: await spool.size(), reason: answer.reason };
    }
    await claim.done();
    sent++;
  }
  return { sent, waiting: await spool.size() };
}
