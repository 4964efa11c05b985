import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { asError } from '../../errors.ts';
import { type LifecycleRecord, RECORDS } from '../../lifecycle/records.ts';
import type { Log } from '../../log.ts';

/**
 * Tells a listener of the application every record. The first time that it throws, or rejects, is one line of the log; by itself a channel
 * would end the process.
 *
 * @returns ends it
 */
export function followRecords(listener: (record: LifecycleRecord) => unknown, log: Log): () => void {
  let hasFailed = false;
  const tell = async (record: unknown): Promise<void> => {
    try {
      await listener(record as LifecycleRecord);
    } catch (thrown) {
      if (!hasFailed)
        log('warn', `a listener of subscribe failed: ${asError(thrown).message}`, { code: 'LOSSLESS_TASK_FAILED' });
      hasFailed = true;
    }
  };
  subscribe(RECORDS, tell);
  return () => void unsubscribe(RECORDS, tell);
}
