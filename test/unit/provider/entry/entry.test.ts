import { describe, expect, test } from 'vitest';
import { Journal } from '../../../../src/lifecycle/journal.ts';
import { Entry, type EntryOptions } from '../../../../src/provider/entry/entry.ts';
import { Probers } from '../../../../src/provider/entry/probers.ts';
import { Connection } from '../../../../src/provider/traffic/connection.ts';
import { Unmanaged } from '../../../../src/provider/traffic/unmanaged.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';

const BALANCER = '192.0.2.1';
const CLIENT = '192.0.2.9';

/** An entry ten seconds after the process began; what happens before `offline()` is of before the offline. */
async function world() {
  const clock = new SimulatedClock();
  const probers = new Probers(clock, 2);
  const unmanaged = new Unmanaged(clock, (address) => probers.has(address));
  const connect = (address: string): Connection => {
    const connection = Object.assign(new Connection(), { address });
    unmanaged.opened(connection);
    return connection;
  };
  await clock.advance(10_000);
  const entry = (options: Partial<EntryOptions> = {}): Entry => {
    probers.reset();
    const journal = new Journal(clock);
    return new Entry({
      clock,
      journal,
      root: journal.newRoot(),
      mode: 'serve',
      probers,
      unmanaged,
      since: clock.now(),
      holdMs: 10_000,
      longestMs: 22_500,
      quietMs: 300,
      arrivalsPerSecond: undefined,
      ports: undefined,
      checkMs: 0,
      ...options,
    });
  };
  const offline = (options: Partial<EntryOptions> = {}): (() => { end: string; leftMs: number }) => {
    const subject = entry(options);
    return () => {
      const { end, until } = subject.look();
      return { end, leftMs: until - clock.now() };
    };
  };
  return { clock, probers, unmanaged, connect, entry, offline };
}

describe('the wait for callers without the plugin', () => {
  test('ends at once without callers', async () => {
    const { offline } = await world();
    expect(offline()()).toEqual({ end: 'nobody', leftMs: Number.NEGATIVE_INFINITY });
  });

  test('ignores health checks alone', async () => {
    const { offline, probers } = await world();
    probers.asked(BALANCER, '', false);
    expect(offline()().end).toBe('nobody');
  });

  test('ignores a caller that came once', async () => {
    const { connect, offline, unmanaged } = await world();
    unmanaged.closed(connect(CLIENT));
    expect(offline()().end).toBe('nobody');
  });

  test('covers a caller that comes while the instance leaves, known before or not', async () => {
    const { clock, connect, offline, unmanaged } = await world();
    const look = offline();
    await clock.advance(1_000);
    const connection = connect(CLIENT);
    unmanaged.active(connection, clock.now(), true);
    unmanaged.closed(connection);
    expect(look()).toEqual({ end: 'quiet', leftMs: 300 });
  });

  test('ends a quiet window after the balancer has its failing answers', async () => {
    const { clock, connect, offline, probers, unmanaged } = await world();
    probers.asked(BALANCER, '', false);
    const pooled = connect(BALANCER);
    const look = offline();
    expect(look()).toEqual({ end: 'not_told', leftMs: 10_000 });
    for (let n = 0; n < 2; n++) probers.asked(BALANCER, '', true);
    expect(look()).toEqual({ end: 'told', leftMs: 300 });
    await clock.advance(200);
    unmanaged.active(pooled, clock.now(), true);
    expect(look()).toEqual({ end: 'told', leftMs: 300 });
  });

  test('lasts for other callers as long as the pauses between their connections', async () => {
    const { clock, offline, unmanaged, connect } = await world();
    unmanaged.closed(connect(CLIENT));
    const look = offline({ arrivalsPerSecond: 20 });
    // Seven pauses of 50 ms, and ln(200) more, as 200 may come in the hold time.
    expect(look()).toEqual({ end: 'quiet', leftMs: expect.closeTo(615, 0) });
    await clock.advance(3_000);
    const late = connect(CLIENT);
    unmanaged.active(late, clock.now(), true);
    expect(look().end).toBe('connected');
    unmanaged.closed(late);
    expect(look()).toEqual({ end: 'quiet', leftMs: expect.closeTo(615, 0) });
  });

  test.each([
    [1, 7_400],
    [0.5, 10_000],
    [1_000, 300],
  ])(
    'at %d connections a second for %d ms: never shorter than the quiet window or longer than the hold time',
    async (arrivalsPerSecond, leftMs) => {
      const { offline } = await world();
      expect(offline({ arrivalsPerSecond })()).toEqual({ end: 'quiet', leftMs });
    },
  );

  test('lasts longer than the hold time for a balancer that asks seldom, and no longer than the grace period allows', async () => {
    const { clock, connect, offline, probers } = await world();
    probers.asked(BALANCER, '', false);
    await clock.advance(5_000);
    probers.asked(BALANCER, '', false);
    connect(BALANCER);
    expect(offline()()).toEqual({ end: 'not_told', leftMs: 15_300 });
    expect(offline({ longestMs: 12_000 })()).toEqual({ end: 'not_told', leftMs: 12_000 });
  });

  test('ignores a monitor that checks and never sends requests', async () => {
    const { connect, offline, probers, unmanaged } = await world();
    probers.asked('192.0.2.77', 'monitor', false);
    unmanaged.closed(connect(CLIENT));
    expect(offline({ arrivalsPerSecond: 20 })().end).toBe('quiet');
  });

  test('covers open connections, whether their balancer knows or not', async () => {
    const { connect, offline, probers, unmanaged } = await world();
    probers.asked(BALANCER, '', false);
    unmanaged.closed(connect(BALANCER));
    const browser = connect(CLIENT);
    const look = offline();
    for (let n = 0; n < 2; n++) probers.asked(BALANCER, '', true);
    expect(look()).toEqual({ end: 'connected', leftMs: 10_000 });
    unmanaged.closed(browser);
    expect(look()).toEqual({ end: 'told', leftMs: 300 });
  });

  test.each([
    ['not_told', 1, async () => {}],
    ['quiet', 1, async (clock: SimulatedClock) => clock.advance(8_000)],
  ] as const)('tells when the hold time ended it early: %s', async (end, arrivalsPerSecond, wait) => {
    const { clock, connect, entry, probers, unmanaged } = await world();
    if (end === 'not_told') probers.asked(BALANCER, '', false);
    const subject = entry({ arrivalsPerSecond });
    await wait(clock);
    const connection = connect(end === 'not_told' ? BALANCER : CLIENT);
    unmanaged.active(connection, clock.now(), true);
    unmanaged.closed(connection);
    await clock.advance(10_000 - (end === 'quiet' ? 8_000 : 0));
    expect(subject.look().end).toBe(end);
    expect(subject.tooShort).toContain(end === 'quiet' ? 'hold time was over' : 'got too few failing answers');
  });

  test('raises no doubt about rare callers that stayed away', async () => {
    const { clock, connect, entry, unmanaged } = await world();
    const subject = entry({ arrivalsPerSecond: 0.05 });
    const connection = connect(CLIENT);
    unmanaged.active(connection, clock.now(), true);
    unmanaged.closed(connection);
    await clock.advance(10_000);
    expect(subject.look().end).toBe('quiet');
    expect(subject.tooShort).toBeUndefined();
  });

  test('covers a proxy beside the application until it has no connection left and the balancer knows', async () => {
    const { clock, offline } = await world();
    const ports = { connections: 3 as number | undefined };
    const look = offline({ ports: ports as never, checkMs: 2_000 });
    expect(look()).toEqual({ end: 'ports_empty', leftMs: 2_300 });
    ports.connections = 0;
    await clock.advance(1_500);
    expect(look()).toEqual({ end: 'ports_empty', leftMs: 800 });
    ports.connections = 1;
    await clock.advance(2_000);
    expect(look()).toEqual({ end: 'ports_empty', leftMs: 300 });
  });

  test('takes ports that it has not checked yet for busy', async () => {
    const { clock, offline } = await world();
    const look = offline({ ports: { connections: undefined } as never });
    await clock.advance(1_000);
    expect(look()).toEqual({ end: 'ports_empty', leftMs: 300 });
  });

  test('covers a balancer that takes longer than the hold time, and is then complete', async () => {
    const { clock, entry } = await world();
    const subject = entry({ ports: { connections: 0 } as never, holdMs: 10_000, checkMs: 10_000 });
    expect(subject.look().until - clock.now()).toBe(10_300);
    await clock.advance(10_300);
    expect(subject.tooShort).toBe(undefined);
  });
});
