import { deepEqual } from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { LosslessError } from '../../errors.ts';
import { sleep, systemClock } from '../../lifecycle/clock.ts';
import type { Instance, Registry } from '../registry.ts';
import { anInstance } from './an-instance.ts';

/** Tolerance for every promised time, in milliseconds, because machines that run tests are busy. */
export const SLACK_MS = 3_000;

/** Longest wait for a condition without a promised time, in milliseconds. */
const PATIENCE_MS = 30_000;

/** Pause between two looks, in milliseconds. */
const LOOK_MS = 10;

type List = readonly Instance[];

/** Two instances of one service. */
export function twins(): [Instance, Instance] {
  const first = anInstance();
  return [first, anInstance({ service: first.service, port: first.port + 1 })];
}

export function idOf({ instanceId }: Instance): string {
  return instanceId;
}

export function inOrder(instances: List): List {
  return [...instances].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
}

/** Resolves when `holds` returns true, or silently after the time: the caller checks the condition itself. */
export async function until(holds: () => boolean | Promise<boolean>, withinMs: number = PATIENCE_MS): Promise<void> {
  const deadline = systemClock.now() + withinMs;
  while (!(await holds()) && systemClock.now() < deadline) await sleep(systemClock, LOOK_MS);
}

/**
 * Resolves when the registry has taken a write. Repeats the write while the registry does not answer, as the plugin does: a burst may meet
 * a server that has just started.
 *
 * @throws any other error at once, and the last one after the time
 */
export async function taken(write: () => Promise<void>): Promise<void> {
  const deadline = systemClock.now() + PATIENCE_MS;
  for (;;)
    try {
      return await write();
    } catch (thrown) {
      const { code } = thrown as LosslessError;
      if (code !== 'LOSSLESS_REGISTRY_UNAVAILABLE' || systemClock.now() >= deadline) throw thrown;
      await sleep(systemClock, LOOK_MS);
    }
}

/** The lists that a listener has received. */
export class Recorder {
  readonly lists: List[] = [];
  readonly listener = (list: List): void => void this.lists.push(list);

  /** @throws AssertionError when the last list is another one for longer than `withinMs` milliseconds */
  async shows(expected: List, withinMs?: number): Promise<void> {
    await until(() => isDeepStrictEqual(inOrder(this.lists.at(-1) ?? []), expected), withinMs);
    deepEqual(inOrder(this.lists.at(-1) ?? []), expected);
  }
}

/** Another client sees the list now, or within the lag of the registry. */
export async function eventually(registry: Registry, service: string, expected: List): Promise<void> {
  const list = async (): Promise<List> => inOrder(await registry.instances(service));
  const within = registry.capabilities.lagMs + SLACK_MS;
  await until(async () => isDeepStrictEqual(await list(), expected), within);
  deepEqual(await list(), expected);
}
