import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Order } from '../fixtures/soak/orders.ts';
import { controlPortOf } from '../support/process/announced.ts';
import type { Child } from '../support/process/child.ts';
import { ask } from '../support/process/operator.ts';
import type { Life, Measured } from './observed.ts';
import type { Tier } from './plan.ts';

/** Longest wait for an answer to an order, in milliseconds: longer than anything stands still. */
const PATIENCE_MS = 20_000;

/** A process of the fleet while it lives. */
export class Member {
  readonly name: string;
  readonly tier: Tier | 'caller';
  readonly child: Child;
  /** Of its control server. */
  readonly #host: string;
  readonly #lostAt: number[] = [];
  port = 0;
  #lost = 0;
  #leftAt: number | undefined;
  #killedAt: number | undefined;
  #endedAt: number | undefined;
  #isHung = false;

  constructor(name: string, tier: Tier | 'caller', child: Child, host: string) {
    this.name = name;
    this.tier = tier;
    this.child = child;
    this.#host = host;
    const end = (): void => {
      this.#endedAt = now();
      if (child.stderr.includes('LOSSLESS_SPOOL_UNWRITABLE')) this.#lostAt.push(this.#endedAt);
    };
    child.ended.then(end, end);
  }

  get life(): Life {
    const { name, port, tier } = this;
    const times = { leftAt: this.#leftAt, killedAt: this.#killedAt, endedAt: this.#endedAt };
    return { name, tier, pid: this.child.pid, port, ...times, isHung: this.#isHung, lostAt: [...this.#lostAt] };
  }

  get hasEnded(): boolean {
    return this.#endedAt !== undefined;
  }

  /** Sends SIGTERM and resolves when it has ended; kills it when it has not within `withinMs`. */
  async leave(withinMs: number): Promise<void> {
    if (this.hasEnded) return;
    this.#leftAt = now();
    this.child.process.kill('SIGTERM');
    try {
      await this.child.ends(withinMs);
    } catch {
      this.#isHung = true;
      await this.child.destroy();
    }
  }

  async kill(): Promise<void> {
    if (this.hasEnded) return;
    this.#killedAt = now();
    await this.child.destroy();
  }

  order(order: Order): void {
    this.child.send(order);
  }

  /** Its memory use and the number of its requests. */
  async measure(by: 'measure' | 'stop' = 'measure'): Promise<Measured> {
    const answer = this.child.receives<{ readonly measured: Measured }>(
      (message) => 'measured' in message,
      PATIENCE_MS,
    );
    this.order({ does: by });
    return (await answer).measured;
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.child.pid}/fd`).length;
  }

  /** Lets it open `spare` more descriptors. @returns what lifts that */
  limit(spare: number): () => void {
    const { pid } = this.child;
    const [, hard = ''] = /^Max open files +\d+ +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? [];
    const set = (soft: string): void => {
      // An ended process has no limit.
      spawnSync('prlimit', [`--pid=${pid}`, `--nofile=${soft}:`], { stdio: 'ignore' });
    };
    set(`${this.descriptors + spare}`);
    return () => set(hard);
  }

  /** Notes whether it has lost spans since it was last asked: its log says only that it loses some. */
  async askLosses(): Promise<void> {
    const port = await controlPortOf(this.child);
    const { text } = await ask(port, '/metrics', { host: this.#host, signal: AbortSignal.timeout(PATIENCE_MS) });
    const lost = Number(/^lossless_spans_total\{.*outcome="lost".*\} (\d+)$/m.exec(text)?.[1] ?? 0);
    if (lost > this.#lost) this.#lostAt.push(now());
    this.#lost = lost;
  }
}

/** Milliseconds since the Unix epoch. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
