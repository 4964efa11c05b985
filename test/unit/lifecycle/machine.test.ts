import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Journal } from '../../../src/lifecycle/journal.ts';
import { Machine } from '../../../src/lifecycle/machine.ts';
import type { LifecycleRecord } from '../../../src/lifecycle/records.ts';
import { refusal } from '../../../src/lifecycle/refusal.ts';
import { STATES, type State, TRANSITIONS, TRIGGERS, type Trigger } from '../../../src/lifecycle/transitions.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';

function machine() {
  const clock = new SimulatedClock();
  const journal = new Journal(clock);
  const records: LifecycleRecord[] = [];
  journal.subscribe((record) => records.push(record));
  return { clock, journal, records, machine: new Machine(journal, clock) };
}

const trigger = fc.constantFrom(...(Object.keys(TRIGGERS) as Trigger[]));

describe('the machine', () => {
  test('takes legal moves, refuses the others, and records both', () => {
    fc.assert(
      fc.property(fc.array(trigger, { maxLength: 40 }), (triggers) => {
        const { machine: subject, records } = machine();
        let state: State = 'created';
        for (const each of triggers) {
          const legal = TRANSITIONS.find((move) => move.from === state && move.trigger === each);
          expect(subject.move(each)).toBe(legal !== undefined);
          expect(records.at(-1)).toMatchObject({
            kind: legal ? 'transition' : 'refused',
            from: state,
            trigger: each,
            to: legal?.to ?? state,
          });
          state = legal?.to ?? state;
          expect(subject.state).toBe(state);
        }
        expect(records).toHaveLength(triggers.length);
      }),
    );
  });

  test('every state can be reached, and from every one an end', () => {
    const reach = (from: State): ReadonlySet<State> => {
      const found = new Set<State>([from]);
      for (const state of found) for (const move of TRANSITIONS) if (move.from === state) found.add(move.to);
      return found;
    };
    expect([...reach('created')].sort()).toEqual((Object.keys(STATES) as State[]).sort());
    for (const state of Object.keys(STATES) as State[]) expect(reach(state).has('stopped')).toBe(true);
  });

  test('one trigger leads to one state', () => {
    const keys = TRANSITIONS.map(({ from, trigger: cause }) => `${from} ${cause}`);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('a refusal names the state and the states that allow the move, and tells people what to do', () => {
    for (const each of Object.keys(TRIGGERS) as Trigger[])
      for (const state of Object.keys(STATES) as State[]) {
        const legal = TRANSITIONS.filter((move) => move.trigger === each).map((move) => move.from);
        if (legal.includes(state)) continue;
        const { message, ...rest } = refusal(each, state);
        expect(rest).toEqual({ result: 'refused', trigger: each, state });
        expect(message).toContain(`${each} is refused in state ${state}, it is possible in ${legal.join(', ')}`);
      }
    // An offline that runs or is over is joined, so this is the only state in which one is refused.
    expect(refusal('offline', 'created').message).toMatch(/: no HTTP server .* nothing to leave/);
    for (const state of Object.keys(STATES) as State[])
      if (state !== 'notifying' && state !== 'draining')
        expect(refusal('online', state).message).toMatch(/: .*instance/);
  });

  test('an offline can begin in every state in which there is something to leave, and no offline runs', () => {
    const from = TRANSITIONS.filter((move) => move.trigger === 'offline').map((move) => move.from);
    expect(from).toEqual(['working', 'starting', 'registering', 'warming', 'serving']);
  });
});

describe('the journal', () => {
  test('ends a piece of work once', () => {
    const { journal, records } = machine();
    const work = journal.start('drain');
    work.end();
    work.end();
    expect(records.map((record) => record.kind)).toEqual(['started', 'ended']);
  });

  test('a sink that throws does not keep the others from their records', () => {
    const { journal, records } = machine();
    journal.subscribe(() => {
      throw new Error('sink');
    });
    const seen: LifecycleRecord[] = [];
    journal.subscribe((record) => seen.push(record));
    journal.start('drain').end();
    expect(seen).toEqual(records);
  });

  test('a step of the wall clock moves no record of a run that is open', () => {
    const { clock, journal, records } = machine();
    const root = journal.start('offline');
    clock.stall(100);
    clock.stepWall(-300_000);
    journal.start('drain', { parent: root.ids }).end();
    clock.stall(100);
    root.end();
    const times = records.map((record) => record.at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBe(200);
  });

  test('a parent in another process gives its trace, and is marked as remote', () => {
    const { journal, records } = machine();
    const remoteParent = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
    const { ids } = journal.start('consumer.refresh', { remoteParent });
    expect(ids.traceId).toBe(remoteParent.traceId);
    expect(records[0]).toMatchObject({ parentSpanId: remoteParent.spanId, remoteParent: true });
  });
});
