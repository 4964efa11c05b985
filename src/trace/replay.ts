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

/** Sends the files of a spool, oldest first, and stops at the first that the collector does not take. Never rejects. */
export async function replaySpool(spool: Spool, collector: CollectorClient): Promise<Replayed> {
  let sent = 0;
  for (let claim = await spool.claim(); claim !== undefined; claim = await spool.claim()) {
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
