import { sleep, systemClock } from '../../src/lifecycle/clock.ts';
import { traceIdOf } from '../support/process/announced.ts';
import { pause } from '../support/until.ts';
import { CHAOS, limitsMissing, victimOf } from './chaos.ts';
import { Fleet, type FleetOptions } from './fleet.ts';
import { killOf } from './judge.ts';
import { type Member, now } from './member.ts';
import type { Broken, Failure, Lost, Observed } from './observed.ts';
import { type ChaosName, type Step, stepOf } from './plan.ts';
import { Traces } from './traces.ts';

/** Least time from the begin of one step to the begin of the next, in milliseconds. */
export const STEP_MS = 4_000;

/** Most failures that are kept. */
const MOST_FAILURES = 10_000;

/** Between two measurements: a hundredth of the whole run, within these, in milliseconds. */
const LEAST_BETWEEN_MS = 500;
const MOST_BETWEEN_MS = 30_000;

/** Between two lines about how it goes, in milliseconds. */
const NEWS_MS = 60_000;

export interface SoakOptions extends Omit<FleetOptions, 'onLost'> {
  readonly seed: number;
  /** The first step. */
  readonly from: number;
  /** Most steps. */
  readonly steps: number;
  readonly withinMs: number;
  /** Ends it early. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** Plays the steps of a seed, and returns the observations. */
export async function soak(options: SoakOptions): Promise<Observed> {
  let run: Soak | undefined;
  const fleet = await Fleet.open({ ...options, onLost: (lost) => run?.lose(lost) });
  try {
    run = new Soak(fleet, options);
    return await run.play();
  } finally {
    await fleet.close();
  }
}

class Soak {
  readonly #fleet: Fleet;
  readonly #options: SoakOptions;
  readonly #failures: Failure[] = [];
  readonly #traces: Traces;
  readonly #lacks: Partial<Record<ChaosName, string>>;
  readonly #steps: Partial<Record<ChaosName, number>> = {};
  readonly #broken: Broken[] = [];
  readonly #series = new Map<string, number[]>();
  #requests = 0;
  #step: Step;

  constructor(fleet: Fleet, options: SoakOptions) {
    this.#fleet = fleet;
    this.#options = options;
    this.#step = stepOf(options.seed, options.from);
    this.#traces = new Traces(fleet.backends);
    const missing = limitsMissing();
    this.#lacks = { ...fleet.backends.lacks, ...(missing !== undefined && { descriptors: missing }) };
  }

  async play(): Promise<Observed> {
    const { folder, from, seed, signal, steps, withinMs } = this.#options;
    const end = now() + withinMs;
    const watched = new AbortController();
    const watching = this.#watch(watched.signal);
    for (let n = from; n < from + steps && now() < end && !signal.aborted; n++) {
      const next = now() + STEP_MS;
      this.#step = stepOf(seed, n);
      await this.#play(this.#step).catch((thrown: Error) => this.#break(thrown));
      await sleep(systemClock, Math.min(next, end) - now(), signal);
    }
    watched.abort();
    await watching;
    const measured = await Promise.all(this.#fleet.callers.map((caller) => caller.measure('stop')));
    this.#requests = measured.reduce((sum, { requests }) => sum + requests, 0);
    await Promise.all(this.#fleet.lasting.map((member) => member.askLosses()));
    const { lives } = this.#fleet;
    await this.#traces.end(lives, folder);
    return {
      steps: this.#steps,
      broken: this.#broken,
      lacks: this.#lacks,
      requests: this.#requests,
      failures: this.#failures,
      lives,
      shutdowns: this.#traces.shutdowns,
      series: this.#series,
      spooled: this.#fleet.backends.spooled,
    };
  }

  async #play(planned: Step): Promise<void> {
    const step: Step = this.#lacks[planned.chaos] === undefined ? planned : { ...planned, chaos: 'none' };
    const leaving = this.#fleet.oldest(step.tier);
    const early = step.when === 'joining' ? this.#chaos(step, leaving) : undefined;
    const successor = this.#fleet.start(step.tier);
    await Promise.all([successor, early]);
    const late = early ?? this.#chaos(step, leaving);
    await Promise.all([this.#leave(leaving, step), late]);
    this.#steps[step.chaos] = (this.#steps[step.chaos] ?? 0) + 1;
  }

  async #chaos(step: Step, leaving: Member): Promise<void> {
    await pause(step.afterMs);
    const victim = victimOf(this.#fleet, step, leaving);
    const end = await CHAOS[step.chaos]({ fleet: this.#fleet, step, leaving, victim });
    await pause(step.lastsMs);
    await end();
  }

  async #leave(member: Member, { chaos, n }: Step): Promise<void> {
    await this.#fleet.leave(member);
    const { life, name } = member;
    if (life.leftAt === undefined || life.killedAt !== undefined) return;
    const durationMs = (life.endedAt ?? 0) - life.leftAt;
    this.#traces.add({ life, name, step: n, chaos, durationMs, traceId: traceIdOf(member.child) });
  }

  /** Takes note of a request that failed. */
  lose(lost: Lost): void {
    if (this.#failures.length >= MOST_FAILURES) return;
    const failure: Failure = { ...lost, step: this.#step.n };
    this.#failures.push(failure);
    if (killOf(failure, this.#fleet.lives) === undefined)
      this.#say(`${lost.caller} failed at port ${lost.port}: ${lost.text}`);
  }

  #break({ message }: Error): void {
    this.#broken.push({ step: this.#step.n, text: message.slice(0, 2_000) });
    this.#say(`could not be played: ${message.slice(0, 200)}`);
  }

  #say(line: string): void {
    this.#options.say(`step ${this.#step.n} (${this.#step.chaos}): ${line}`);
  }

  /** Measures repeatedly the values that must not grow, and prints the progress. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { withinMs, say } = this.#options;
    const betweenMs = Math.min(MOST_BETWEEN_MS, Math.max(LEAST_BETWEEN_MS, withinMs / 100));
    let news = now() + NEWS_MS;
    while (!signal.aborted) {
      await this.#sample().catch((thrown: Error) => this.#break(thrown));
      await this.#traces.settle();
      if (now() >= news) {
        news += NEWS_MS;
        const count = Object.values(this.#steps).reduce((sum, each) => sum + each, 0);
        say(`${count} steps, ${this.#requests} requests, ${this.#failures.length} failed`);
      }
      await sleep(systemClock, betweenMs, signal);
    }
  }

  async #sample(): Promise<void> {
    const { backends, lasting } = this.#fleet;
    for (const { collector, control, registry } of backends.links)
      for (const proxy of [collector, control, registry]) proxy?.forget();
    const measured = await Promise.all(
      lasting.map(async (member) => {
        await member.askLosses();
        return { member, ...(await member.measure()) };
      }),
    );
    this.#requests = measured.reduce((sum, { requests }) => sum + requests, 0);
    for (const { heapBytes, member, rssBytes } of measured) {
      this.#note(`${member.name} heap`, heapBytes);
      this.#note(`${member.name} rss`, rssBytes);
      this.#note(`${member.name} descriptors`, member.descriptors);
    }
    this.#note('spool files', backends.files.length);
    this.#note('registry entries', await backends.entries());
  }

  #note(name: string, value: number): void {
    const series = this.#series.get(name) ?? [];
    series.push(value);
    this.#series.set(name, series);
  }
}
