import { rollUnderLoad } from './fleet.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

export const stopSending: Benchmark = {
  title: 'A consumer stops sending',
  how: 'Twenty consumer processes at 25 POSTs a second each, no delay; six shutdowns. From the trace records of the provider: how long each GoAway took until its ack (the consumer isolates before it answers), and requests that arrived after an ack beyond those it said were on their way.',
  async run() {
    const { failed, logs } = await rollUnderLoad('plugin', { consumers: 20, rate: 25, delayMs: 0 }, 6);
    const acks = logs.flatMap((log) => ackTimes(log));
    const after = logs
      .map((log) => Number(/"lossless\.requests\.after_ack":(\d+)/.exec(log)?.[1] ?? Number.NaN))
      .reduce((sum, count) => sum + count, 0);
    const rows: Row[] = [
      {
        what: 'from the GoAway to its ack',
        measured: `p50 ${ms(quantile(acks, 0.5))}, p99 ${ms(quantile(acks, 0.99))} of ${acks.length}`,
        against: reached(quantile(acks, 0.99) <= 50, 'p99 ≤ 50 ms'),
      },
      {
        what: 'requests after the ack',
        measured: `${after}; ${failed} failed`,
        against: reached(after === 0 && failed === 0, '0'),
      },
    ];
    return rows;
  },
};

/** Pairs the started and ended lines of each GoAway by its span. */
function ackTimes(log: string): readonly number[] {
  const begun = new Map<string, number>();
  return log.split('\n').flatMap((line) => {
    const [, time, id, what] = /"time":(\d+).*"span_id":"([0-9a-f]+)".*"msg":"goaway (started|ended)"/.exec(line) ?? [];
    if (what === 'started') begun.set(id ?? '', Number(time));
    const start = begun.get(id ?? '');
    return what === 'ended' && start !== undefined ? [Number(time) - start] : [];
  });
}
