import { renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { rename, rm, utimes, writeFile } from '../io/off-loop.ts';
import type { Clock, Timer } from '../lifecycle/clock.ts';
import type { WorkName } from '../lifecycle/facts.ts';
import type { LifecycleRecord, Started, WorkRecord } from '../lifecycle/records.ts';
import type { Identity } from '../protocol/identity.ts';
import { attributesOf, identityOf, resourceOf } from './attributes.ts';
import { thisProcess } from './deaths.ts';
import type { LastWill } from './last-will.ts';
import { ATTR, type Attributes, SPANS } from './model/schema.ts';
import type { NewFile, Spool } from './spool.ts';

/** Time between two signs of life while the process leaves, in milliseconds. */
const SIGN_EVERY_MS = 1_000;

/** Work whose beginning and end are signs of life, and whose attributes the root repeats. */
const PHASES: ReadonlySet<WorkName> = new Set(['notify', 'deregister', 'drain', 'stop']);

/** Counts that add up over the rounds of a phase. */
const COUNTS: ReadonlySet<string> = new Set([ATTR.fanoutPlanned, ATTR.fanoutAcked, ATTR.fanoutGone]);

export interface WillKeeperOptions {
  readonly spool: Spool;
  readonly clock: Clock;
  readonly identity: () => Identity;
  readonly resource: Attributes;
}

/** The will of the shutdown that runs. */
interface Kept {
  will: LastWill;
  readonly file: NewFile;
  /** Times of the journal and of the clock at the trigger, from which later signs of life are reckoned. */
  readonly from: { readonly at: number; readonly now: number };
  isEnded: boolean;
}

/**
 * Keeps the last will of a process from the trigger of its shutdown until the root of that trace is handed over. It costs a small
 * file and, while the process leaves, a touch a second. Without a usable spool there is no will.
 */
export class WillKeeper {
  readonly #options: WillKeeperOptions;
  #kept: Kept | undefined;
  #signs: Timer | undefined;
  /** Settles when the last write has ended. Never rejects. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: WillKeeperOptions) {
    this.#options = options;
  }

  /** Takes a record of the journal. */
  take(record: LifecycleRecord): void {
    if (record.kind === 'started' && record.work === 'offline') this.#begin(record);
    if (record.kind !== 'started' && record.kind !== 'ended') return;
    const kept = this.#kept;
    if (kept === undefined || record.ids.traceId !== kept.will.ids.traceId) return;
    if (record.kind === 'ended' && record.work === 'offline') this.#end(kept);
    else if (PHASES.has(record.work)) this.#note(kept, record);
  }

  /** Removes the will of a shutdown that has ended, once its root was handed over or never can be. Never rejects. */
  async drop(): Promise<void> {
    const kept = this.#kept;
    if (kept?.isEnded !== true) return this.#turn;
    // `#kept` stays until the file is removed: the process may end before.
    await this.#inTurn(async () => {
      await rm(kept.file.path, { force: true });
      if (this.#kept === kept) this.#kept = undefined;
    });
  }

  /** The process ends now: removes the will of a shutdown that has ended, else makes this moment its last sign of life. */
  closeNow(): void {
    const kept = this.#kept;
    if (kept === undefined) return;
    rmSync(kept.file.aside, { force: true });
    if (kept.isEnded) rmSync(kept.file.path, { force: true });
    else utimesSync(kept.file.path, this.#seconds(kept), this.#seconds(kept));
  }

  #begin(record: Started<'offline'>): void {
    const { at, ids, links = [], facts } = record;
    const { clock, identity, resource, spool } = this.#options;
    let file: NewFile;
    try {
      file = spool.newWill();
    } catch {
      return; // The outbox logs the reason when it spools spans.
    }
    const will: LastWill = {
      owner: thisProcess(),
      resource: resourceOf(identity(), resource),
      ids,
      links,
      start: at,
      gracePeriodMs: facts.gracePeriodMs ?? 0,
      during: 'notify',
      attributes: { ...identityOf(identity()), ...attributesOf(record) },
    };
    this.#kept = { will, file, from: { at, now: clock.now() }, isEnded: false };
    this.#writeFirst(this.#kept);
    this.#signs?.cancel();
    this.#signLater(this.#kept);
  }

  #note(kept: Kept, record: WorkRecord): void {
    const { will } = kept;
    kept.will =
      record.kind === 'started'
        ? { ...will, during: record.work }
        : { ...will, attributes: { ...will.attributes, ...repeated(will.attributes, attributesOf(record)) } };
    this.#write(kept);
  }

  #end(kept: Kept): void {
    kept.isEnded = true;
    kept.will = { ...kept.will, during: 'offline' };
    this.#signs?.cancel();
    this.#write(kept);
  }

  #signLater(kept: Kept): void {
    this.#signs = this.#options.clock.after(SIGN_EVERY_MS, () => {
      if (this.#kept !== kept) return;
      void this.#inTurn(() => utimes(kept.file.path, this.#seconds(kept), this.#seconds(kept)));
      this.#signLater(kept);
    });
  }

  /** Synchronous: the application hears next that it leaves, and may block the event loop from then on. */
  #writeFirst({ file: { aside, path }, will }: Kept): void {
    try {
      writeFileSync(aside, JSON.stringify(will), { mode: 0o600 });
      renameSync(aside, path);
    } catch {
      // The next write tries again.
    }
  }

  #write(kept: Kept): void {
    const text = JSON.stringify(kept.will);
    const seconds = this.#seconds(kept);
    void this.#inTurn(async () => {
      if (this.#kept !== kept) return;
      const { aside, path } = kept.file;
      await writeFile(aside, text, { mode: 0o600 });
      await utimes(aside, seconds, seconds);
      await rename(aside, path);
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work).catch(() => {});
    return this.#turn;
  }

  /** The journal's time, which does not jump when the wall clock is set. */
  #seconds({ from }: Kept): number {
    return (from.at + this.#options.clock.now() - from.now) / 1_000;
  }
}

/** The attributes that the root repeats, with counts added up. */
function repeated(before: Attributes, attributes: Attributes): Attributes {
  const known: readonly string[] = Object.values(SPANS.offline.attributes);
  return Object.fromEntries(
    Object.entries(attributes)
      .filter(([name]) => known.includes(name))
      .map(([name, value]) => [name, COUNTS.has(name) ? Number(before[name] ?? 0) + Number(value) : value]),
  );
}
