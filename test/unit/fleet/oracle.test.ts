import { describe, expect, test } from 'vitest';
import type { Verdict } from '../../../src/trace/model/verdict.ts';
import type { Client, Fleet } from '../../fleet/fleet.ts';
import { generate } from '../../fleet/generate.ts';
import type { Life, Observed, Outcome, Shutdown } from '../../fleet/observed.ts';
import { judge } from '../../fleet/oracle.ts';

const consumer: Client = { kind: 'consumer', rate: 10, via: 'fetch', listed: false, control: 'open' };
const liar: Client = { kind: 'fake', rate: 10, keepAlive: true, manner: 'goes_on', workMs: 0, calls: 0 };

const unmanaged: Client = { kind: 'unmanaged', rate: 10, keepAlive: true, learnsAfterMs: 0 };

const fleet: Fleet = {
  ...generate(1),
  delayMs: 0,
  lagMs: 500,
  holdMs: 300,
  clients: [consumer, liar, unmanaged],
  events: [],
};

function life(more: Partial<Life> = {}): Life {
  const times = { readyAt: 0, leftAt: 1_000, killedAt: undefined, exitedAt: 2_000 };
  return { index: 0, provider: 'shop0.0', pid: 1, ...times, ...more };
}

function shutdown(result: string, more: Partial<Life> = {}, said: Partial<Verdict> = {}): Shutdown {
  const verdict = { result, startedAt: 1_000, durationMs: 900, afterAck: 0, stranded: 0, whole: true, problems: [] };
  return { life: life(more), verdict: { ...verdict, ...said } as unknown as Verdict };
}

function failed(begun: number, more: Partial<Outcome> = {}): Outcome {
  return { client: 0, begun, ended: begun + 5, failure: 'ECONNREFUSED', ...more };
}

const answered = (begun: number, more: Partial<Outcome> = {}): Outcome => ({
  client: 0,
  begun,
  ended: begun + 5,
  ...more,
});

/** Kinds of violations and how many failures come from a shutdown and from nowhere. */
function judged(outcomes: readonly Outcome[], shutdowns: readonly Shutdown[], more: Partial<Observed> = {}) {
  const verify = { code: 1, text: '' };
  const lives = shutdowns.map((each) => each.life);
  const observed: Observed = { outcomes, lives, shutdowns, verify, refusedAt: [], beganAt: 0, endedAt: 9_000, ...more };
  const { violations, failures, unexplained, untold, falseAlarms } = judge(fleet, observed);
  return {
    kinds: violations.map(({ kind }) => kind),
    failures: failures.length,
    unexplained: unexplained.length,
    untold: untold.length,
    falseAlarms: falseAlarms.length,
  };
}

const clean = { kinds: [], failures: 0, unexplained: 0, untold: 0, falseAlarms: 0 };

describe('a failure', () => {
  test.each([
    ['during the shutdown', failed(1_500)],
    ['that began before it', failed(900, { ended: 1_100 })],
    ['soon after the end', failed(4_400)],
    ['long after the end, of a client that gets no answer any more', failed(8_000)],
  ])('%s must not be called success', (_, outcome) => {
    expect(judged([outcome], [shutdown('success')])).toEqual({ ...clean, kinds: ['loss'], failures: 1 });
    expect(judged([outcome], [shutdown('timeout')])).toEqual({ ...clean, failures: 1 });
  });

  test('before any shutdown, or long after the end of a client that was answered meanwhile, is unexplained', () => {
    expect(judged([failed(500)], [shutdown('success')])).toEqual({ ...clean, unexplained: 1 });
    expect(judged([answered(3_000), failed(8_000)], [shutdown('success')])).toEqual({ ...clean, unexplained: 1 });
  });

  test('has no explanation in an instance that never was ready', () => {
    const other = shutdown('never_ready', { index: 1, readyAt: undefined });
    expect(judged([failed(1_500)], [shutdown('success'), other]).kinds).toEqual(['loss']);
    expect(judged([failed(1_500)], [other])).toEqual({ ...clean, unexplained: 1 });
  });

  test('is none when the proxy made it of a refused connection', () => {
    const reset = failed(1_500, { failure: 'ECONNRESET', ended: 1_600 });
    expect(judged([reset], [shutdown('success')], { refusedAt: [1_560] })).toEqual(clean);
    expect(judged([reset], [shutdown('success')], { refusedAt: [1_460, 1_650] }).kinds).toEqual(['loss']);
  });

  test('is explained by one of two shutdowns whose trace admits it', () => {
    const other = shutdown('incomplete', { index: 1 });
    expect(judged([failed(1_500)], [shutdown('success'), other])).toEqual({ ...clean, failures: 1 });
  });

  test('of a client that names the instance is explained by that one only', () => {
    const outcome = failed(1_500, { life: 0 });
    expect(judged([outcome], [shutdown('success'), shutdown('incomplete', { index: 1 })])).toEqual({
      kinds: ['loss'],
      failures: 1,
      unexplained: 0,
      untold: 0,
      falseAlarms: 1,
    });
  });

  test('is excused neither by missing spans nor by counted requests after an ack', () => {
    expect(judged([failed(1_500)], [shutdown('success', {}, { whole: false })]).kinds).toEqual(['loss']);
    expect(judged([failed(1_500)], [shutdown('success', {}, { afterAck: 1 })]).kinds).toEqual([]);
  });

  test('of an offline that was undone counts until a while after the undo', () => {
    const undone = shutdown('cancelled', { exitedAt: undefined }, { durationMs: 100 });
    expect(judged([answered(1_200), failed(1_500)], [undone]).kinds).toEqual(['loss']);
    expect(judged([answered(1_200), failed(6_000)], [undone])).toEqual({ ...clean, unexplained: 1 });
  });

  test('of a SIGKILL blames no other shutdown; after a SIGTERM it blames the trace of that instance', () => {
    const killed = life({ index: 1, leftAt: undefined, killedAt: 1_400, exitedAt: 1_400 });
    const success = shutdown('success');
    expect(judged([failed(1_500)], [success], { lives: [success.life, killed] })).toEqual(clean);
    expect(judged([failed(1_500)], [shutdown('missing', { killedAt: 1_400 })])).toEqual({ ...clean, failures: 1 });
  });
});

describe('a client that has acked', () => {
  test('answers for its lost requests', () => {
    const outcome = failed(1_900, { client: 1, life: 0, sinceAckMs: 500 });
    expect(judged([outcome], [shutdown('success')])).toEqual(clean);
  });

  test('and still gets an answer makes a success a violation', () => {
    const outcome = answered(1_900, { client: 1, life: 0, sinceAckMs: 500 });
    expect(judged([outcome], [shutdown('success')]).kinds).toEqual(['after_ack']);
    expect(judged([outcome], [shutdown('success', {}, { afterAck: 1 })]).kinds).toEqual([]);
    expect(judged([{ ...outcome, sinceAckMs: 50 }], [shutdown('success')])).toEqual(clean);
  });
});

test('a shutdown owes a client without the plugin only the hold time', () => {
  expect(judged([failed(1_200, { client: 2, life: 0 })], [shutdown('success')]).kinds).toEqual(['loss']);
  expect(judged([failed(1_400, { client: 2, life: 0 })], [shutdown('success')])).toEqual({ ...clean, untold: 1 });
  expect(judged([failed(1_200, { client: 2 })], [shutdown('success')])).toEqual({ ...clean, untold: 1 });
});

test('an instance that never got ready has no lossless shutdown', () => {
  expect(judged([], [shutdown('success', { readyAt: undefined })]).kinds).toEqual(['never_ready']);
  expect(judged([], [shutdown('never_ready', { readyAt: undefined })])).toEqual(clean);
  expect(judged([], [shutdown('never_ready')]).kinds).toEqual(['never_ready']);
});

test('an instance that was ready and left has a trace', () => {
  expect(judged([], [], { lives: [life()] }).kinds).toEqual(['no_trace']);
  expect(judged([], [], { lives: [life({ killedAt: 1_001 })] })).toEqual(clean);
  expect(judged([], [], { lives: [life({ leftAt: undefined })] })).toEqual(clean);
});

test('the release gate stays shut when a client has lost a request', () => {
  const verify = { code: 0, text: 'lossless' };
  expect(judged([failed(1_500)], [shutdown('timeout')], { verify }).kinds).toEqual(['verify']);
  expect(judged([], [shutdown('success')], { verify })).toEqual(clean);
});

test('a shutdown that cost no client a request and is called lossy is a false alarm', () => {
  expect(judged([answered(1_500)], [shutdown('incomplete')])).toEqual({ ...clean, falseAlarms: 1 });
});
