import { describe, expect, test } from 'vitest';
import { Deadline } from '../../../../src/lifecycle/deadline.ts';
import type { HoldReason } from '../../../../src/lifecycle/outcomes.ts';
import { Drain, type Drained, type Phase } from '../../../../src/provider/offline/drain.ts';
import type { Seal } from '../../../../src/provider/offline/seal.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

/** A drain whose surroundings can be changed while it runs. */
function drain(graceMs = 30_000, phase: Phase = 'serve') {
  const clock = new SimulatedClock();
  const around = {
    inflight: 0,
    arriving: 0,
    retiring: 0,
    lastActivity: 0,
    lastConnection: 0,
    lastBegun: 0,
    allIdle: true,
    roundTripMs: 10,
    holdReason: 'none' as HoldReason,
    /** When the hold is over, and when listeners may close although callers come: as long as the hold time. */
    until: 10_000,
    bound: 10_000,
    unread: () => 0,
    seal: async (): Promise<Seal> => 'cannot',
    aside: 0,
    polled: () => {},
    hasConnections: true,
  };
  const subject = new Drain({
    clock,
    deadline: new Deadline(clock, graceMs, 0),
    since: clock.now(),
    observed: {
      inflight: () => around.inflight,
      arriving: () => around.arriving,
      retiring: () => around.retiring,
      lastActivity: () => around.lastActivity,
      lastConnection: () => around.lastConnection,
      lastBegun: () => around.lastBegun,
      consumers: () => ({
        ...around,
        holding: {
          reason: around.holdReason,
          until: around.holdReason === 'none' ? 0 : around.until,
          bound: around.bound,
        },
      }),
      hasConnections: () => around.hasConnections,
      unread: () => around.unread(),
      seal: () => around.seal(),
      aside: () => around.aside,
      polled: async () => around.polled(),
    },
  });
  const undo = new AbortController();
  let ended: Drained | undefined;
  const done = subject.run(phase, undo.signal).then((result) => {
    ended = result;
  });
  return { clock, around, subject, undo, done, result: () => ended };
}

type Around = ReturnType<typeof drain>['around'];

/** Advances in steps and returns when it ended, in milliseconds, at most `most`. */
async function endOf({ clock, result }: ReturnType<typeof drain>, most: number): Promise<number | undefined> {
  for (let passed = 10; passed <= most; passed += 10) {
    await clock.advance(10);
    if (result() !== undefined) return passed;
  }
  return undefined;
}

describe('a drain', () => {
  test('ends 50 ms after the last request when every caller is idle', async () => {
    expect(await endOf(drain(), 1_000)).toBe(50);
  });

  test('waits for requests in flight', async () => {
    const it = drain();
    it.around.inflight = 1;
    expect(await endOf(it, 5_000)).toBeUndefined();
    it.around.inflight = 0;
    expect(await endOf(it, 1_000)).toBe(10);
  });

  test('waits for HTTP/2 sessions that were asked to go and may begin streams still', async () => {
    const it = drain();
    it.around.retiring = 1;
    expect(await endOf(it, 5_000)).toBeUndefined();
    it.around.retiring = 0;
    expect(await endOf(it, 1_000)).toBe(10);
  });

  test('waits for a request that has begun to arrive', async () => {
    const it = drain();
    it.around.arriving = 1;
    expect(await endOf(it, 5_000)).toBeUndefined();
    it.around.arriving = 0;
    expect(await endOf(it, 1_000)).toBe(10);
  });

  test('R21: a pause between two bursts, or after a long request, does not end the traffic while a GoAway is missing', async () => {
    const it = drain();
    it.around.holdReason = 'unmanaged_caller';
    it.around.until = 0;
    for (let burst = 0; burst < 4; burst++) {
      expect(await endOf(it, 290)).toBeUndefined();
      it.around.lastActivity = it.clock.now();
    }
    expect(await endOf(it, 1_000)).toBe(300);
  });

  test('a request begins a new quiet window', async () => {
    const it = drain();
    await it.clock.advance(40);
    it.around.lastActivity = it.clock.now();
    expect(await endOf(it, 1_000)).toBe(50);
  });

  test('waits for consumers that are not idle', async () => {
    const it = drain();
    it.around.allIdle = false;
    expect(await endOf(it, 5_000)).toBeUndefined();
  });

  test.each([
    'goaway_failed',
    'unmanaged_caller',
    'silent_connection',
    'deregister_unconfirmed',
    'callers_overflowed',
  ] as const)('%s: the hold time passes, and the quiet window is the long one', async (reason) => {
    const it = drain();
    it.around.holdReason = reason;
    await it.clock.advance(9_900);
    it.around.lastActivity = it.clock.now();
    expect(await endOf(it, 1_000)).toBe(300);
    expect(it.result()).toMatchObject({ result: 'drained', holdReason: reason, holdMs: 10_000, quietMs: 300 });
  });

  test('waits beyond the hold time for consumers that are not idle', async () => {
    const it = drain();
    it.around.holdReason = 'unmanaged_caller';
    it.around.allIdle = false;
    expect(await endOf(it, 15_000)).toBeUndefined();
    it.around.allIdle = true;
    expect(await endOf(it, 1_000)).toBe(10);
  });

  test('the quiet window is at least three round trips', async () => {
    const it = drain();
    it.around.holdReason = 'unmanaged_caller';
    it.around.roundTripMs = 400;
    await it.clock.advance(9_990);
    it.around.lastActivity = it.clock.now();
    expect(await endOf(it, 3_000)).toBe(1_200);
  });

  test('waits until the end of the hold time for a client that connects again and again without a request', async () => {
    const it = drain();
    it.around.holdReason = 'silent_connection';
    for (let passed = 0; passed < 9_990; passed += 10) {
      await it.clock.advance(10);
      it.around.lastConnection = it.clock.now();
    }
    expect(it.result()).toBeUndefined();
    expect(await endOf(it, 1_000)).toBe(10);
    expect(it.result()).toMatchObject({ result: 'drained', keptComing: false });
  });

  test('waits for a connection without a request and without a listener', async () => {
    const it = drain(30_000, 'rest');
    it.around.inflight = 1;
    await it.clock.advance(12_000);
    it.around.inflight = 0;
    it.around.lastConnection = it.clock.now();
    expect(await endOf(it, 1_000)).toBe(50);
  });

  test('R20: a stall of the event loop begins a new quiet window', async () => {
    const it = drain();
    await it.clock.advance(30);
    it.clock.stall(400);
    await it.clock.advance(10);
    expect(it.result()).toBeUndefined();
    expect(await endOf(it, 1_000)).toBe(40); // 50 ms after the late tick
    expect(it.result()?.longestStallMs).toBeGreaterThanOrEqual(390);
  });

  test('R20: a look at the kernel that takes long is followed by another one', async () => {
    const it = drain();
    let asked = 0;
    it.around.unread = () => {
      if (asked++ === 0) it.clock.stall(300);
      return 0;
    };
    await it.clock.advance(50);
    expect(asked).toBe(1);
    expect(it.result()).toBeUndefined();
    expect(await endOf(it, 1_000)).toBe(10);
    expect(asked).toBe(2);
  });

  test('a look at the kernel may take long where no client can connect meanwhile', async () => {
    const it = drain();
    it.around.unread = () => {
      it.clock.stall(300);
      return 0;
    };
    it.around.seal = async () => 'sealed';
    await it.clock.advance(50);
    expect(it.result()?.result).toBe('drained');
  });

  test('waits for a client that has connected since the look at the kernel', async () => {
    const it = drain();
    it.around.seal = async () => (it.clock.now() >= 2_000 ? 'sealed' : 'client');
    expect(await endOf(it, 9_000)).toBe(2_000);
    expect(it.result()?.resetsClient).toBe(false);
  });

  test.each([
    ['five seconds', 30_000, 5_050],
    ['half of the time that is left', 4_050, 2_050],
  ])('when a client is connecting at every look, it ends after %s and says so', async (_, graceMs, endsAt) => {
    const it = drain(graceMs);
    it.around.seal = async () => 'client';
    expect(await endOf(it, 9_000)).toBe(endsAt);
    expect(it.result()).toMatchObject({ result: 'drained', resetsClient: true });
  });

  test('a queue that the plugin does not get into is closed half a second later, and no client is reset as far as is known', async () => {
    const it = drain();
    it.around.seal = async () => 'open';
    expect(await endOf(it, 9_000)).toBe(550);
    expect(it.result()?.resetsClient).toBe(false);
  });

  test('waits for data in the kernel, but not for ever', async () => {
    const it = drain();
    it.around.unread = () => 1;
    await it.clock.advance(200);
    expect(it.result()).toBeUndefined();
    it.around.unread = () => 0;
    expect(await endOf(it, 1_000)).toBe(10);
    const other = drain();
    other.around.unread = () => 1;
    expect(await endOf(other, 2_000)).toBe(550);
  });

  test('waits again for data in the kernel after more traffic', async () => {
    const it = drain();
    it.around.unread = () => 1;
    await it.clock.advance(200);
    it.around.inflight = 1;
    await it.clock.advance(2_000);
    it.around.inflight = 0;
    it.around.lastActivity = it.clock.now();
    expect(await endOf(it, 400)).toBeUndefined();
    it.around.unread = () => 0;
    expect(await endOf(it, 1_000)).toBe(10);
  });

  test('a kernel that is slow to ask is asked again, for half a second', async () => {
    const it = drain();
    let asked = 0;
    it.around.unread = () => {
      asked++;
      it.clock.stall(40);
      return 0;
    };
    await it.clock.advance(1_000);
    expect(it.result()?.result).toBe('drained');
    expect(asked).toBeGreaterThan(3);
  });

  test('the drain is over in the turn of the last look', async () => {
    const { clock, around, done } = drain();
    const order: string[] = [];
    around.unread = () => {
      order.push('the last look');
      setImmediate(() => order.push('the next turn'));
      return 0;
    };
    void done.then(() => order.push('over'));
    await clock.advance(60);
    await done;
    await new Promise(setImmediate);
    expect(order).toEqual(['the last look', 'over', 'the next turn']);
  });

  test('a second run waits for requests that were accepted until the listeners closed', async () => {
    const { clock, around, subject, done } = drain();
    await clock.advance(60);
    await done;
    around.inflight = 1;
    let again: Drained | undefined;
    void subject.run('rest', new AbortController().signal).then((result) => {
      again = result;
    });
    await clock.advance(400);
    expect(again).toBeUndefined();
    around.inflight = 0;
    around.lastActivity = clock.now();
    await clock.advance(60);
    expect(again?.result).toBe('drained');
  });

  test.each([
    ['a request that the kernel still held', (around: Around) => (around.inflight = 1)],
    ['the begin of a request that the kernel still held', (around: Around) => (around.arriving = 1)],
  ])('a second run does not end before %s is answered', async (_, comes) => {
    const it = drain(30_000, 'rest');
    it.around.polled = () => void comes(it.around);
    expect(await endOf(it, 1_000)).toBeUndefined();
    it.around.polled = () => {};
    Object.assign(it.around, { inflight: 0, arriving: 0, lastActivity: it.clock.now() });
    expect(await endOf(it, 1_000)).toBe(50);
  });

  test('a second run waits for answers to health checks, but not for ever', async () => {
    const it = drain(30_000, 'rest');
    it.around.aside = 1;
    expect(await endOf(it, 2_000)).toBe(550);
  });

  test('a second run ends at once when nothing came', async () => {
    const { clock, subject, done } = drain();
    await clock.advance(60);
    await done;
    const before = clock.now();
    const again = subject.run('rest', new AbortController().signal);
    await clock.advance(0);
    expect((await again).result).toBe('drained');
    expect(clock.now()).toBe(before);
  });

  test('once the listeners are closed, the end of the last connection is the end of the second run', async () => {
    const { clock, around, subject, done } = drain();
    around.holdReason = 'unmanaged_caller';
    around.until = 0;
    await clock.advance(300);
    await done;
    around.lastActivity = clock.now();
    let again: Drained | undefined;
    void subject.run('rest', new AbortController().signal).then((result) => {
      again = result;
    });
    await clock.advance(100);
    expect(again).toBeUndefined();
    around.hasConnections = false;
    await clock.advance(10);
    expect(again?.result).toBe('drained');
  });

  test('callers that keep coming after the hold time end the first run, and the second waits for their requests', async () => {
    const it = drain();
    it.around.holdReason = 'unmanaged_caller';
    it.around.inflight = 1;
    const coming = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms && it.result() === undefined; passed += 10) {
        it.around.lastActivity = it.clock.now();
        it.around.lastBegun = it.clock.now();
        await it.clock.advance(10);
      }
    };
    await coming(20_000);
    expect(it.clock.now()).toBe(10_300);
    expect(it.result()).toMatchObject({ result: 'drained', keptComing: true });
    let again: Drained | undefined;
    void it.subject.run('rest', new AbortController().signal).then((result) => {
      again = result;
    });
    await it.clock.advance(2_000);
    expect(again).toBeUndefined();
    it.around.inflight = 0;
    it.around.lastActivity = it.clock.now();
    await it.clock.advance(300);
    expect(again).toMatchObject({ result: 'drained', keptComing: false });
  });

  test('callers that keep coming find no listener, from a moment in which no client connects, or half a second later', async () => {
    for (const [connectsUntil, endsAt] of [
      [10_400, 10_400],
      [99_000, 10_800],
    ] as const) {
      const it = drain();
      it.around.holdReason = 'unmanaged_caller';
      it.around.unread = () => (it.clock.now() < connectsUntil ? 1 : 0);
      while (it.result() === undefined && it.clock.now() < 20_000) {
        it.around.lastBegun = it.clock.now();
        it.around.lastActivity = it.clock.now();
        await it.clock.advance(10);
      }
      expect(it.clock.now()).toBe(endsAt);
      expect(it.result()).toMatchObject({ result: 'drained', keptComing: true });
    }
  });

  test('listeners that refuse from the beginning close in a moment in which no client connects, even under load', async () => {
    const it = drain(30_000, 'refuse');
    it.around.inflight = 3;
    it.around.allIdle = false;
    it.around.unread = () => (it.clock.now() < 40 ? 1 : 0);
    expect(await endOf(it, 1_000)).toBe(40);
    expect(it.result()).toMatchObject({ result: 'drained', keptComing: false });
  });

  test('a request that crosses the end of the hold time does not count as a caller that keeps coming', async () => {
    const it = drain();
    it.around.holdReason = 'unmanaged_caller';
    it.around.inflight = 1;
    await it.clock.advance(15_000);
    it.around.inflight = 0;
    it.around.lastActivity = it.clock.now();
    expect(await endOf(it, 1_000)).toBe(300);
    expect(it.result()).toMatchObject({ keptComing: false });
  });

  test('consumers that find a successor late do not count as callers that keep coming', async () => {
    const it = drain();
    it.around.holdReason = 'last_instance';
    it.around.allIdle = false;
    await it.clock.advance(12_000);
    it.around.holdReason = 'none';
    it.around.allIdle = true;
    it.around.lastActivity = it.clock.now();
    expect(await endOf(it, 1_000)).toBe(50);
    expect(it.result()).toMatchObject({ keptComing: false });
  });

  test('ends at the deadline at the latest', async () => {
    const it = drain(2_000);
    it.around.inflight = 1;
    expect(await endOf(it, 5_000)).toBe(2_000);
    expect(it.result()?.result).toBe('timeout');
  });

  test('can be cancelled', async () => {
    const it = drain();
    it.around.inflight = 1;
    await it.clock.advance(20);
    it.undo.abort();
    await it.clock.advance(0);
    expect(it.result()?.result).toBe('cancelled');
  });
});
