import { assess } from '../src/trace/model/verdict.ts';
import { fakeConsumers, type Manner } from '../test/support/fakes/fake-consumers.ts';
import { startOneProvider } from './one-provider.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

const CONSUMERS = 250;

/** Manners of consumers. Of the dead ones, half refuse while their connection is open, half take the call and never answer. */
function manners(consumers: number, dead: number): readonly Manner[] {
  return Array.from({ length: consumers }, (_, n) => (n >= dead ? 'answers' : n % 2 === 0 ? 'refuses' : 'hangs'));
}

/** Makes an instance leave after `count` consumers have called it, some of them dead by then. */
export async function measure(
  count: number,
  dead: number,
): Promise<{ readonly goawayMs: readonly number[]; readonly notifyMs: number; readonly acked: number }> {
  const provider = await startOneProvider({ LOSSLESS_HOLD_MS: '0' });
  const consumers = await fakeConsumers(provider.port, manners(count, dead));
  try {
    const trace = await provider.leave();
    const goaways = trace.spans.filter((span) => span.name === 'lossless.goaway');
    const notify = trace.spans.find((span) => span.name === 'lossless.notify');
    return {
      goawayMs: goaways.map((span) => span.start - (notify?.start ?? 0) + span.durationMs),
      notifyMs: notify?.durationMs ?? Number.NaN,
      acked: assess(trace).acked,
    };
  } finally {
    consumers.close();
    await provider.close();
  }
}

export const fanout: Benchmark = {
  title: 'GoAway fan-out to 250 consumers',
  how: 'Every consumer has called the provider once and has a control server of its own; all of them live in one process on the same machine. Times from the start of the notification, read from the trace.',
  async run() {
    const rows: Row[] = [];
    const alive = await measure(CONSUMERS, 0);
    const p99 = quantile(alive.goawayMs, 0.99);
    rows.push({
      what: 'all alive',
      measured: `${alive.acked} acked; p99 ${ms(p99)}, all ${ms(alive.notifyMs)}`,
      against: reached(alive.acked === CONSUMERS && p99 <= 500, 'all acked, p99 ≤ 500 ms'),
    });
    const dead = await measure(CONSUMERS, CONSUMERS / 10);
    rows.push({
      what: '10 % dead',
      measured: `${dead.acked} acked; all over after ${ms(dead.notifyMs)}`,
      against: reached(dead.acked === CONSUMERS * 0.9 && dead.notifyMs <= 3_000, '≤ 3 s in all'),
    });
    return rows;
  },
};
