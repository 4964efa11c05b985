import { describe, expect, test } from 'vitest';
import type { Event, Fleet } from '../../fleet/fleet.ts';
import { generate } from '../../fleet/generate.ts';
import { shrink, simpler } from '../../fleet/shrink.ts';

const fleets = Array.from({ length: 400 }, (_, seed) => generate(seed));

const EVENTS: readonly Event['does'][] = [
  'leave',
  'replace',
  'restart',
  'undo',
  'kill',
  'leave_killed',
  'leave_twice',
  'leave_exits',
  'stall',
  'crash_loop',
  'die',
  'client_leaves',
  'join',
  'block',
  'long',
];

/** Every event and fake client points to an existing item, and an event of a consumer to one with the plugin. */
function isSound({ clients, events, providers }: Fleet): boolean {
  return (
    clients.every((client) => client.kind !== 'fake' || client.calls < providers.length) &&
    events.every(
      (event) =>
        event.at >= 0 &&
        (!('provider' in event) || event.provider < providers.length) &&
        (!('client' in event) || clients[event.client]?.kind === 'consumer'),
    )
  );
}

describe('the generator', () => {
  test('makes the same fleet of the same seed', () => {
    expect(generate(7)).toEqual(generate(7));
    expect(new Set(fleets.map((fleet) => JSON.stringify({ ...fleet, name: '' }))).size).toBeGreaterThan(395);
  });

  test('makes fleets that can be played', () => {
    expect(fleets.filter((fleet) => !isSound(fleet))).toEqual([]);
    expect(fleets.filter(({ clients }) => clients.reduce((sum, { rate }) => sum + rate, 0) > 200)).toEqual([]);
    expect(fleets.filter(({ events }) => events.length === 0)).toEqual([]);
  });

  test.each<readonly [string, (fleet: Fleet) => boolean]>([
    ['a last instance', ({ providers }) => providers.length === 1],
    ['a lying client', ({ clients }) => clients.some(({ kind }) => kind === 'fake')],
    ['a client without the plugin', ({ clients }) => clients.some(({ kind }) => kind === 'unmanaged')],
    [
      'a consumer that no GoAway reaches',
      ({ clients }) => clients.some((each) => 'control' in each && each.control !== 'open'),
    ],
    ['several servers', ({ providers }) => providers.some(({ servers }) => servers !== 'one')],
    ['lists that lag', ({ lagMs }) => lagMs > 0],
    ...EVENTS.map((does) => [does, ({ events }: Fleet) => events.some((event) => event.does === does)] as const),
  ])('now and then makes %s', (_, has) => {
    expect(fleets.filter(has).length).toBeGreaterThan(8);
  });
});

describe('the shrinker', () => {
  test('leaves only what can be played', () => {
    expect(fleets.flatMap(simpler).filter((fleet) => !isSound(fleet))).toEqual([]);
  });

  test('ends, as every step is a simpler fleet', async () => {
    for (const fleet of fleets.slice(0, 50)) {
      const smallest = await shrink(fleet, async () => true, { runs: 1_000, withinMs: 10_000 });
      expect(simpler(smallest)).toEqual([]);
    }
  });

  test('keeps the cause of the violation, and nothing else', async () => {
    const fleet = fleets.find(
      ({ clients, events }) => clients.length > 2 && events.some(({ does }) => does === 'crash_loop'),
    ) as Fleet;
    const doesWrong = async ({ events }: Fleet) => events.some(({ does }) => does === 'crash_loop');
    const smallest = await shrink(fleet, doesWrong, { runs: 1_000, withinMs: 10_000 });
    expect(smallest).toMatchObject({
      delayMs: 0,
      lagMs: 0,
      clients: [{}],
      providers: [{}],
      events: [{ does: 'crash_loop' }],
    });
  });

  test('stops at its bounds', async () => {
    let runs = 0;
    const doesWrong = async () => {
      runs++;
      return false;
    };
    const fleet = fleets.find(({ clients }) => clients.length > 2) as Fleet;
    expect(await shrink(fleet, doesWrong, { runs: 3, withinMs: 10_000 })).toBe(fleet);
    expect(runs).toBe(3);
  });
});
