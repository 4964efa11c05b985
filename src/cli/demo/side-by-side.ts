import { sleep, systemClock } from '../../lifecycle/clock.ts';
import type { Io } from '../command.ts';
import { JaegerClient } from '../jaeger-client.ts';
import type { DemoSet } from './demo-set.ts';
import { report } from './report.ts';
import { fleetTraces } from './traces.ts';

/** Two sets to compare. */
export interface Plan {
  /** Describes the sets. */
  readonly about: string;
  readonly base: DemoSet;
  readonly gray: DemoSet;
  /** Time between two rolls, in milliseconds; the first comes after half of it. */
  readonly rollEveryMs: number;
}

/** Length and rate of the load. */
export interface Extent {
  readonly seconds: number;
  readonly rate: number;
  readonly json: boolean;
}

/** Runs both sets under the same load and on the same timetable, and reports. @returns the exit code */
export async function sideBySide(plan: Plan, { seconds, rate, json }: Extent, jaeger: URL, io: Io): Promise<number> {
  const { about, base, gray } = plan;
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const begun = Date.now();
  try {
    io.err(`starting ${about}`);
    await Promise.all([base.start(), gray.start()]);
    for (const set of [base, gray]) set.startLoad(rate);
    await rollFor(seconds * 1_000, plan, stop.signal, io);
    await Promise.all([base.stopLoad(), gray.stopLoad()]);
    const traces = await fleetTraces(new JaegerClient(jaeger), begun, {
      shutdowns: gray.shutdowns.length,
      starts: gray.starts,
    });
    return report(base, gray, traces, json, io);
  } finally {
    await Promise.all([base.close(), gray.close()]);
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** Rolls both sets on the same timetable. */
async function rollFor(ms: number, { base, gray, rollEveryMs }: Plan, stop: AbortSignal, io: Io): Promise<void> {
  const begun = performance.now();
  for (let next = rollEveryMs / 2; next < ms && !stop.aborted; next += rollEveryMs) {
    await sleep(systemClock, begun + next - performance.now(), stop);
    if (stop.aborted) return;
    await Promise.all([base.roll(), gray.roll()]);
    const seconds = ((performance.now() - begun) / 1_000).toFixed(0);
    io.err(
      `${seconds.padStart(4)} s  ${base.shutdowns.length} shutdowns each; failed requests: base ${base.counts.failed}, gray ${gray.counts.failed}`,
    );
  }
  await sleep(systemClock, begun + ms - performance.now(), stop);
}
