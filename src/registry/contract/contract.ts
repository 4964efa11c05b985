import { systemClock } from '../../lifecycle/clock.ts';
import type { Registry } from '../registry.ts';
import { ENTRIES } from './entries.ts';
import { FAILURES } from './failures.ts';
import type { Rule, Subject } from './subject.ts';
import { WATCHES } from './watches.ts';

/** One test of the contract, for any test runner. */
export interface Case {
  /** What must hold, in words. */
  readonly name: string;
  /** Resolves when the rule holds; rejects with an AssertionError, or with the error of a failed call. It takes up to a minute. */
  run(): Promise<void>;
}

/**
 * The rules of a registry, as tests. Every registry of this package passes all of them against the real server.
 *
 * @returns the tests that fit `subject`; they may run in any order, also at the same time
 */
export function contract(subject: Subject): readonly Case[] {
  return [...ENTRIES, ...WATCHES, ...FAILURES]
    .filter(({ needs }) => needs === undefined || subject[needs] !== undefined)
    .map((rule) => ({ name: rule.name, run: () => tried(rule, subject) }));
}

async function tried(rule: Rule, subject: Subject): Promise<void> {
  const opened: Registry[] = [];
  // Otherwise a runner may end early: the timers of a registry keep no process alive.
  const alive = systemClock.hold();
  try {
    await rule.holds({
      subject,
      open: async () => {
        const registry = await subject.open();
        opened.push(registry);
        return registry;
      },
    });
  } finally {
    await Promise.all(opened.map((registry) => registry.close()));
    alive.cancel();
  }
}
