import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { unlessAborted, whenAborted } from '../../../src/lifecycle/abort.ts';
import { sleep } from '../../../src/lifecycle/clock.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

const listeners = ({ signal }: AbortController): number => getEventListeners(signal, 'abort').length;

describe('a sleep', () => {
  test('lasts its time, and ends at once when it is aborted', async () => {
    const clock = new SimulatedClock();
    const ending = new AbortController();
    let ended = 0;
    void sleep(clock, 100, ending.signal).then(() => ended++);
    await clock.advance(99);
    expect(ended).toBe(0);
    await clock.advance(1);
    expect(ended).toBe(1);
    void sleep(clock, 100, ending.signal).then(() => ended++);
    ending.abort();
    await clock.advance(0);
    expect(ended).toBe(2);
    await sleep(clock, 100, ending.signal);
    expect(clock.pending).toBe(0);
  });

  test('leaves nothing on a signal that outlives it', async () => {
    const clock = new SimulatedClock();
    const ending = new AbortController();
    const cycle = async (): Promise<void> => {
      for (let n = 0; n < 1_000; n++) await sleep(clock, 1, ending.signal);
    };
    const cycles = cycle();
    await clock.advance(500);
    expect(listeners(ending)).toBe(1);
    await clock.advance(500);
    await cycles;
    expect(listeners(ending)).toBe(0);
  });
});

describe('work that ends with a signal', () => {
  test('settles like the work, and leaves nothing on the signal', async () => {
    const ending = new AbortController();
    for (let n = 0; n < 1_000; n++) {
      expect(await unlessAborted(ending.signal, Promise.resolve(n), 'ended')).toBe(n);
      await expect(unlessAborted(ending.signal, Promise.reject(new Error('down')), 'ended')).rejects.toThrow('down');
    }
    expect(listeners(ending)).toBe(0);
  });

  test('nobody waits for it once the signal is aborted', async () => {
    const ending = new AbortController();
    const waiting = unlessAborted(ending.signal, new Promise(() => {}), 'ended');
    ending.abort();
    expect(await waiting).toBe('ended');
    expect(await unlessAborted(ending.signal, new Promise(() => {}), 'ended')).toBe('ended');
  });
});

test('a listener of an abort runs once, right after the abort, and never after its removal', () => {
  const ending = new AbortController();
  const done: string[] = [];
  whenAborted(ending.signal, () => done.push('before'));
  whenAborted(ending.signal, () => done.push('taken back'))();
  ending.abort();
  whenAborted(ending.signal, () => done.push('after'));
  expect(done).toEqual(['before', 'after']);
});
