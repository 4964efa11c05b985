import { lstatSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { readSmall, readStart } from '../io/small-file.ts';
import type { Clock } from '../lifecycle/clock.ts';
import { startedAt } from '../process/started-at.ts';
import { LONGEST_WILL, type Owner, readLastWill } from './last-will.ts';

/**
 * How long this process must see a last will unchanged before its owner may count as dead, when that owner cannot be looked up, in
 * milliseconds: a living owner touches it every second.
 */
export const STILL_MS = 3_000;

/** Such a file is old this long after its grace period, in milliseconds. */
const LATE_MS = 10_000;

/** Longest boot id that is read, in bytes. */
const LONGEST_ID = 64;

/** Most files that are watched. */
const MOST_WATCHED = 1_000;

/** How other processes identify this one. */
export function thisProcess(): Owner {
  return { pid: process.pid, started: startedAt(process.pid) ?? 0, space: spaceOfIds() };
}

/** Proves that the owners of last wills are dead. The wall clock alone proves nothing, because it can be set. */
export class Deaths {
  readonly #clock: Clock;
  readonly #watched = new Map<string, { readonly changed: number; readonly since: number }>();
  /** Wills seen in this look whose owners may be alive or dead. */
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
   * Whether the owner of a will is dead. True for a file that holds no will, because it has no owner.
   *
   * @throws Error when the file is gone
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

/** Undefined when the process is on another machine or in another container, or when its start is not known. */
function isAlive({ pid, started, space }: Owner): boolean | undefined {
  if (space !== spaceOfIds()) return undefined;
  const now = startedAt(pid);
  if (now === undefined) return false;
  return now === 0 || started === 0 ? undefined : now === started;
}

/** Where a process id is unique. The number of a space may be used again, but not while one of its processes lives. */
function spaceOfIds(): string {
  try {
    return `${readStart('/proc/sys/kernel/random/boot_id', LONGEST_ID).trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
