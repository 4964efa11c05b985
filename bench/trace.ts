import { assess } from '../src/trace/model/verdict.ts';
import { fakeConsumers } from '../test/support/fakes/fake-consumers.ts';
import { startOneProvider } from './one-provider.ts';
import { type Benchmark, ms, type Row, reached } from './row.ts';

async function measure(
  consumers: number,
): Promise<{ readonly spans: number; readonly expected: number; readonly tailMs: number }> {
  const provider = await startOneProvider({ LOSSLESS_HOLD_MS: '0' });
  const fakes = await fakeConsumers(provider.port, new Array(consumers).fill('answers'));
  try {
    const trace = await provider.leave();
    const [root] = trace.spans.filter((span) => span.name === 'lossless.offline');
    const [, ended = ''] = /"time":(\d+)[^\n]*"msg":"offline ended/.exec(provider.child.stderr) ?? [];
    // One span each for root, marker, notify, its one service, deregister, drain and stop.
    return {
      spans: assess(trace).spans,
      expected: consumers + 7,
      tailMs: Number(ended) - ((root?.start ?? 0) + (root?.durationMs ?? 0)),
    };
  } finally {
    fakes.close();
    await provider.close();
  }
}

export const trace: Benchmark = {
  title: 'The trace of a large fan-out',
  how: 'Time from the end of the last span until the collector has acknowledged all spans, and the number of spans that the collector received.',
  async run() {
    const rows: Row[] = [];
    for (const consumers of [250, 1_000, 2_000]) {
      const { expected, spans, tailMs } = await measure(consumers);
      const target =
        consumers === 250
          ? reached(spans === expected && tailMs <= 250, '0 lost, ≤ 250 ms')
          : reached(spans === expected, '0 lost');
      rows.push({
        what: `${consumers} consumers`,
        measured: `${spans} of ${expected} spans, ${ms(tailMs)} after the last`,
        against: target,
      });
    }
    return rows;
  },
};
