import { execFileSync } from 'node:child_process';
import type { Fleet } from './fleet.ts';
import type { Member } from './member.ts';
import type { ChaosName, Step } from './plan.ts';

/** Descriptors that are left to a process that gets few. */
const SPARE = 24;

/** The parts of the fleet that a chaos can use. */
export interface Scene {
  readonly fleet: Fleet;
  readonly step: Step;
  /** The instance that leaves in this step. */
  readonly leaving: Member;
  /** The process it befalls, where it befalls one. */
  readonly victim: Member;
}

/** Begins it; resolves with what ends it. */
type Chaos = (scene: Scene) => Promise<() => unknown>;

export const CHAOS: Readonly<Record<ChaosName, Chaos>> = {
  none: async () => () => {},
  /** Kills an instance, and replaces it unless the step does. */
  kill: async ({ fleet, leaving, victim }) => {
    await fleet.kill(victim);
    const { tier } = victim;
    return async () => victim !== leaving && tier !== 'caller' && fleet.start(tier);
  },
  stop: async ({ victim }) => {
    victim.child.process.kill('SIGSTOP');
    return () => victim.child.process.kill('SIGCONT');
  },
  block: async ({ step, victim }) => {
    victim.order({ does: 'block', ms: step.lastsMs });
    return () => {};
  },
  /** Every other time the disk is needed, because the collector is dead. */
  disk_full: async ({ fleet, step }) => {
    const empty = fleet.backends.fillDisk();
    const up = step.pick % 2 === 0 ? await collectorsDown(fleet) : () => {};
    return async () => {
      await up();
      empty();
    };
  },
  collector_dead: ({ fleet }) => collectorsDown(fleet),
  collector_silent: ({ fleet }) => all(fleet.backends.links.map(({ collector }) => collector.silence())),
  registry_dead: ({ fleet }) => all(fleet.backends.links.map(({ registry }) => registry?.outage())),
  registry_silent: ({ fleet }) => all(fleet.backends.links.map(({ registry }) => registry?.silence())),
  /** Cuts a caller off from registry and collector, and from GoAways. The called services still answer. */
  partition: ({ fleet, step }) => {
    const { collector, control, registry } = fleet.linkOf(callerOf(fleet, step));
    return all([collector, control, registry].map((proxy) => proxy?.silence()));
  },
  clock: async ({ step, victim }) => {
    victim.order({ does: 'clock', ms: step.aheadMs });
    return () => victim.order({ does: 'clock', ms: 0 });
  },
  descriptors: async ({ victim }) => victim.limit(SPARE),
};

/** Whom the chaos of a step befalls: another instance where the leaving one has ended already, and an instance where it is a kill. */
export function victimOf(fleet: Fleet, step: Step, leaving: Member): Member {
  if (step.whom === 'leaving' && !leaving.hasEnded) return leaving;
  if (step.whom === 'caller' && step.chaos !== 'kill') return callerOf(fleet, step);
  const peers = fleet.peers(leaving);
  return peers[step.pick % peers.length] as Member;
}

/** Why few descriptors cannot be had; undefined when they can. */
export function limitsMissing(): string | undefined {
  try {
    execFileSync('prlimit', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'no prlimit';
  }
}

function callerOf({ callers }: Fleet, { pick }: Step): Member {
  return callers[pick % callers.length] as Member;
}

function collectorsDown({ backends }: Fleet): Promise<() => unknown> {
  return all(backends.links.map(({ collector }) => collector.outage()));
}

/** Several chaos at once; the resolved function ends all of them. */
async function all(begun: readonly (Promise<() => unknown> | undefined)[]): Promise<() => Promise<unknown>> {
  const ends = await Promise.all(begun);
  return () => Promise.all(ends.map((end) => end?.()));
}
