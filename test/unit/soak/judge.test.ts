import { describe, expect, test } from 'vitest';
import { growthOf } from '../../soak/growth.ts';
import { judge } from '../../soak/judge.ts';
import type { Failure, Life, Observed, Shutdown } from '../../soak/observed.ts';
import { CHAOS_NAMES, stepOf } from '../../soak/plan.ts';
import { stateOf } from '../../soak/traces.ts';

const life: Life = {
  name: 'shop-1',
  tier: 'shop',
  pid: 7,
  port: 4_000,
  leftAt: 1_000,
  killedAt: undefined,
  endedAt: 2_000,
  isHung: false,
  lostAt: [],
};
const killed: Life = { ...life, name: 'shop-2', port: 4_001, leftAt: undefined, killedAt: 1_500 };
const failure: Failure = {
  caller: 'caller-http',
  begun: 1_400,
  ended: 1_501,
  text: 'ECONNRESET',
  port: 4_001,
  step: 3,
};
const shutdown: Shutdown = {
  name: 'shop-1',
  step: 3,
  chaos: 'none',
  durationMs: 1_000,
  result: 'success',
  trace: 'whole',
  problems: [],
};
const quiet: Observed = {
  steps: { none: 1 },
  broken: [],
  lacks: {},
  requests: 100,
  failures: [],
  lives: [life],
  shutdowns: [shutdown],
  series: new Map(),
  spooled: [],
};

function failed(more: Partial<Observed>): readonly string[] {
  return judge({ ...quiet, ...more })
    .filter(({ isGood }) => !isGood)
    .map(({ what }) => what.trim());
}

describe('the judge of a soak', () => {
  test('has nothing against a run in which all went well', () => {
    expect(failed({})).toEqual([]);
  });

  test('explains a failure by the SIGKILL of the instance that it was written to', () => {
    expect(failed({ lives: [life, killed], failures: [failure] })).toEqual([]);
  });

  test.each([
    ['was written to another instance', { port: 4_000 }],
    ['was written to none', { port: 0 }],
    ['was over before', { ended: 1_499 }],
    ['began long after', { begun: 9_000, ended: 9_001 }],
  ])('does not explain by a SIGKILL a failure that %s', (_, more) => {
    const failures = [{ ...failure, ...more }];
    expect(failed({ lives: [life, killed], failures })).toEqual(['that nothing explains']);
  });

  test.each<[string, Partial<Observed>, string]>([
    ['a shutdown that was cut', { shutdowns: [{ ...shutdown, result: 'timeout' }] }, 'that ended badly'],
    ['an end that no trace tells', { shutdowns: [{ ...shutdown, result: 'missing' }] }, 'that ended badly'],
    ['a shutdown that did not end', { lives: [{ ...life, isHung: true }] }, 'that did not end'],
    ['a process that ended unasked', { lives: [{ ...life, leftAt: undefined }] }, 'processes that ended unasked'],
    ['spans that are lost in silence', { shutdowns: [{ ...shutdown, trace: 'silent' }] }, 'that miss spans in silence'],
    ['that callers made no request', { requests: 0 }, 'requests of callers'],
    ['that no instance left', { shutdowns: [] }, 'graceful shutdowns'],
    ['a step that failed', { broken: [{ step: 1, text: 'not ready' }] }, 'steps that could not be played'],
    ['files in the spool', { spooled: ['1-2-3.json'] }, 'files left in the spool'],
    ['memory that grows', { series: new Map([['caller heap', climbing(2 ** 20)]]) }, 'caller heap'],
    ['descriptors that grow', { series: new Map([['caller descriptors', climbing(1)]]) }, 'caller descriptors'],
    ['files that grow', { series: new Map([['spool files', climbing(1)]]) }, 'spool files'],
  ])('sees %s', (_, more, what) => {
    expect(failed(more)).toEqual([what]);
  });
});

/** A series that grows by `unit` with each sample. */
function climbing(unit: number): readonly number[] {
  return Array.from({ length: 40 }, (_, n) => (10 + n) * unit);
}

describe('growth', () => {
  const allowance = { part: 0.1, amount: 2 };

  test('ignores the first quarter, and a peak', () => {
    const series = [1, 5, 20, 20, 21, 20, 99, 20, 20, 21, 20, 20];
    expect(growthOf(series, allowance)).toMatchObject({ early: 20, late: 20, hasGrown: false });
  });

  test('is the excess of the last quarter over the second one', () => {
    expect(growthOf([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], allowance)).toMatchObject({ hasGrown: true });
  });

  test('needs more than a few samples', () => {
    expect(growthOf([1, 2, 3], allowance)).toBeUndefined();
  });
});

describe('a trace that is not whole', () => {
  const left = { life, name: life.name, step: 3, chaos: 'none', durationMs: 1_000, traceId: '1' } as const;
  const consumer: Life = { ...life, name: 'caller-http', pid: 8, leftAt: undefined, endedAt: undefined };
  const goaway = {
    spanId: '1',
    parentSpanId: '',
    name: 'lossless.goaway',
    kind: 'client',
    start: 1_000,
    durationMs: 1,
    service: 'shop',
    isError: false,
    message: '',
    version: '',
    namespace: '',
    tags: { 'lossless.consumer.instance.id': 'host:8:1' },
  };
  const trace = { traceId: '1', spans: [goaway] };

  test.each<[string, Life[], string]>([
    ['silent when nobody reports the loss', [life, consumer], 'silent'],
    ['said when the instance reports the loss', [{ ...life, lostAt: [2_000] }, consumer], 'said'],
    ['said when a consumer with the GoAway reports the loss', [life, { ...consumer, lostAt: [5_000] }], 'said'],
    ['silent when an outsider reports the loss', [life, { ...consumer, pid: 9, lostAt: [5_000] }], 'silent'],
    ['silent when the loss was reported before', [life, { ...consumer, lostAt: [900] }], 'silent'],
    ['killed when such a consumer was killed', [life, { ...consumer, killedAt: 1_100 }], 'killed'],
  ])('is %s', (_, lives, state) => {
    expect(stateOf(left, trace, lives)).toBe(state);
  });
});

describe('the plan of a seed', () => {
  test('is the same each time, and each step of it by itself', () => {
    expect(stepOf(5, 17)).toEqual(stepOf(5, 17));
    expect(stepOf(5, 17)).not.toEqual(stepOf(6, 17));
  });

  test('has every chaos within a quarter of an hour', () => {
    const steps = Array.from({ length: 200 }, (_, n) => stepOf(1, n).chaos);
    expect(new Set(steps)).toEqual(new Set(CHAOS_NAMES));
  });
});
