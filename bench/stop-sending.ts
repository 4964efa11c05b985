import { rollUnderLoad } from './fleet.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

export const stopSending: Benchmark = {
  title: 'A consumer stops sending',
  how: 'Twenty consumer processes send 25 POSTs a second each, without delay, during six shutdowns. Each consumer measures two times from the arrival of the GoAway: until its ack (a consumer isolates before it answers), and until its last request to that instance, 0 when none followed. The provider counts requests that arrived after an ack, beyond those that the consumer reported as on their way.',
  async run() {
    const { failed, logs, stops } = await rollUnderLoad('plugin', { consumers: 20, rate: 25, delayMs: 0 }, 6);
    const after = logs
      .map((log) => Number(/"lossless\.requests\.after_ack":(\d+)/.exec(log)?.[1] ?? Number.NaN))
      .reduce((sum, count) => sum + count, 0);
    const spread = (values: readonly number[]): string =>
      `p50 ${ms(quantile(values, 0.5))}, p99 ${ms(quantile(values, 0.99))} of ${values.length}`;
    const last = stops.map(({ lastRequestMs }) => lastRequestMs);
    const rows: readonly Row[] = [
      {
        what: 'from the GoAway to the last request',
        measured: spread(last),
        against: reached(quantile(last, 0.99) <= 50, 'p99 ≤ 50 ms'),
      },
      { what: 'from the GoAway to the ack', measured: spread(stops.map(({ ackMs }) => ackMs)), against: '' },
      {
        what: 'requests after the ack',
        measured: `${after}; ${failed} failed`,
        against: reached(after === 0 && failed === 0, '0'),
      },
    ];
    return rows;
  },
};
