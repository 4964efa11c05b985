import { lstatSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { readSmall, readStart } from '../io/small-file.ts';
import type { Clock } from '../lifecycle/clock.ts';
import { startedAt } from '../process/started-at.ts';
import { LONGEST_WILL, type Owner, readLastWill } from './last-will.ts';

/**
 * How long the file of a process that cannot be looked up must stand still while it is watched, in milliseconds: a living one
 * touches it every second.
 */
export const STILL_MS = 3_000;

/** How long after its grace period such a file is old, in milliseconds. */
const LATE_MS = 10_000;

/** More than the id of a start of the machine has, in bytes. */
const LONGEST_ID = 64;

/** Most files that are watched. */
const MOST_WATCHED = 1_000;

/** This process, for others. */
export function thisProcess(): Owner {
  return { pid: process.pid, started: startedAt(process.pid) ?? 0, space: spaceOfIds() };
}

/** Proves that processes are dead which left a last will: never by the time of a clock alone, as clocks are set. */
export class Deaths {
  readonly #clock: Clock;
  readonly #watched = new Map<string, { readonly changed: number; readonly since: number }>();
  /** Wills that were seen since the last look of whose owners nobody can tell. */
  unsure = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins a look at all wills. */
  lookAgain(): void {
    this.unsure = 0;
    if (this.#watched.size > MOST_WATCHED) this.#watched.clear();
  }

  /**
   * Whether the process that left a will is dead. What is no will nobody can speak for: that is proved too.
   *
   * @throws Error when the file cannot be read, as it is gone
   */
  isProved(path: string): boolean {
    const { ctimeMs: changed } = lstatSync(path);
    let owner: Owner;
    let gracePeriodMs: number;
    try {
      ({ owner, gracePeriodMs } = readLastWill(readSmall(path, LONGEST_WILL) ?? ''));
    } catch {
      return true;
    }
    const known = isAlive(owner);
    if (known !== undefined) return !known;
    const before = this.#watched.get(path);
    const since = before?.changed === changed ? before.since : this.#clock.now();
    this.#watched.set(path, { changed, since });
    const isStill = this.#clock.now() - since >= STILL_MS;
    const isOld = this.#clock.wall() - changed >= gracePeriodMs + LATE_MS;
    if (isStill && isOld) return true;
    this.unsure++;
    return false;
  }
}

/** Undefined where it cannot be known: it is of another machine or container, or its start is not told. */
function isAlive({ pid, started, space }: Owner): boolean | undefined {
  if (space !== spaceOfIds()) return undefined;
  const now = startedAt(pid);
  if (now === undefined) return false;
  return now === 0 || started === 0 ? undefined : now === started;
}

/** What makes a process id mean one process. The number of a space may be used again, but not while one of its processes lives. */
function spaceOfIds(): string {
  try {
    return `${readStart('/proc/sys/kernel/random/boot_id', LONGEST_ID).trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
