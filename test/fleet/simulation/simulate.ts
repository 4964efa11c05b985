import { Random } from '../random.ts';
import { FleetClock } from './clock.ts';
import { Fleet, type FleetService, type Shape } from './fleet.ts';

/** Longer than any registry lags, in milliseconds. */
const SETTLES_MS = 40_000;

/** Length of a measurement of the load, in milliseconds. */
const WINDOW_MS = 60_000;

/** Longest release, in milliseconds. */
const LONGEST_MS = 3_600_000;

/** Fewest requests in a window from which the share of an instance can be judged. */
const FEWEST = 1_000;

/** The results of a run. */
export interface Ran {
  readonly shape: Shape;
  readonly requests: number;
  readonly served: number;
  readonly lost: number;
  readonly lostWhenCut: number;
  readonly panic: number;
  readonly pickedAfterAck: number;
  /** Requests that arrived after an ack, by the counts of the instances. */
  readonly arrivedAfterAck: number;
  readonly shutdowns: number;
  readonly results: Readonly<Record<string, number>>;
  /** Largest deviation of an instance's load from its weight, as a part, before and after the releases; undefined with too few requests. */
  readonly offBefore: number | undefined;
  readonly offAfter: number | undefined;
  readonly calls: number;
  readonly spans: number;
  readonly series: number;
  /** Simulated milliseconds until all consumers of an instance were told, and of an offline: median and longest. */
  readonly toldMs: readonly [number, number];
  readonly offlineMs: readonly [number, number];
  /** Processor time of the releases, in seconds, and memory of the whole fleet, in MiB, both of this process. */
  readonly cpuS: number;
  readonly memoryMiB: number;
}

/** Plays a fleet: starts it, measures its load, releases all of it, lets it settle and measures again. */
export async function simulate(shape: Shape): Promise<Ran> {
  const { random } = Math;
  // Seeded, because the product's code begins each rotation at a random place.
  const seeded = new Random(shape.seed + 1);
  Math.random = () => seeded.next();
  try {
    return await play(shape);
  } finally {
    Math.random = random;
  }
}

async function play(shape: Shape): Promise<Ran> {
  const clock = new FleetClock();
  const fleet = new Fleet(clock, shape);
  const { counts, services } = fleet;
  await run(clock, fleet.register());
  await clock.run(clock.now() + SETTLES_MS);
  await run(clock, fleet.call());
  await clock.run(clock.now() + SETTLES_MS);
  const offBefore = await measure(clock, services);
  const begun = process.cpuUsage();
  const all = services.flatMap(({ instances }) => instances);
  await run(clock, fleet.release());
  const { user, system } = process.cpuUsage(begun);
  await clock.run(clock.now() + SETTLES_MS + shape.warmupMs);
  const memoryMiB = Math.round(process.memoryUsage().heapUsed / 2 ** 20);
  const offAfter = await measure(clock, services);
  await fleet.stop();
  return {
    shape,
    requests: counts.sent,
    served: counts.served,
    lost: counts.lost,
    lostWhenCut: counts.lostWhenCut,
    panic: counts.panic,
    pickedAfterAck: counts.pickedAfterAck.length,
    arrivedAfterAck: all.reduce((sum, { afterAck }) => sum + afterAck, 0),
    shutdowns: counts.offlineMs.length,
    results: Object.fromEntries(counts.results),
    offBefore,
    offAfter,
    calls: counts.calls,
    spans: counts.spans,
    series: counts.series,
    toldMs: middleAndMost(counts.toldMs),
    offlineMs: middleAndMost(counts.offlineMs),
    cpuS: (user + system) / 1e6,
    memoryMiB,
  };
}

/** Lets time pass until `work` is done. */
async function run(clock: FleetClock, work: Promise<void>): Promise<void> {
  let isOver = false;
  const done = work.finally(() => {
    isOver = true;
  });
  await clock.run(clock.now() + LONGEST_MS, () => isOver);
  if (!isOver) throw new Error(`it was not over after ${LONGEST_MS} ms`);
  await done;
}

/** The largest deviation of an instance's load from its weight. */
async function measure(clock: FleetClock, services: readonly FleetService[]): Promise<number | undefined> {
  for (const { instances } of services) for (const instance of instances) instance.served = 0;
  await clock.run(clock.now() + WINDOW_MS);
  const off = services.flatMap(({ instances }) => {
    const served = instances.reduce((sum, instance) => sum + instance.served, 0);
    const weights = instances.reduce((sum, { instance }) => sum + instance.weight, 0);
    return instances.flatMap((instance) => {
      const expected = (served * instance.instance.weight) / weights;
      return expected < FEWEST ? [] : [Math.abs(instance.served / expected - 1)];
    });
  });
  return off.length === 0 ? undefined : Math.max(...off);
}

function middleAndMost(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  return [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0];
}
