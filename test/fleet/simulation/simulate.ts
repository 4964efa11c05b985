import { GCProfiler, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Random } from '../random.ts';
import { FleetClock } from './clock.ts';
import { Fleet, type FleetService, type Shape } from './fleet.ts';

/** Longer than any registry lags, in milliseconds. */
const SETTLES_MS = 40_000;

/** How long consumers have called before anything is measured, in milliseconds: each has then called each instance. */
const STANDS_MS = 150_000;

/** How long the load is measured, in milliseconds. */
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
  /** The load of the instances with enough requests, before the releases and after them. */
  readonly before: Load;
  readonly after: Load;
  readonly calls: number;
  readonly spans: number;
  readonly series: number;
  /** Simulated milliseconds until all consumers of an instance were told, and of an offline: median and longest. */
  readonly toldMs: readonly [number, number];
  readonly offlineMs: readonly [number, number];
  /** Processor time of this process in seconds: of the releases without the requests meanwhile, and of the requests in a minute. */
  readonly releaseS: number;
  /** `releaseS` without the collections of garbage. */
  readonly workS: number;
  readonly minuteS: number;
  /** Memory of the whole fleet after the releases, and the most that this process had, in MiB. */
  readonly memoryMiB: number;
  readonly mostMiB: number;
}

/** How the load of instances follows their weights. */
export interface Load {
  /** Instances with enough requests. */
  readonly judged: number;
  /** Largest part by which the load of one of them is off its weight. */
  readonly off: number;
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
  const empty = usedHeap();
  await run(clock, fleet.register());
  await clock.run(clock.now() + SETTLES_MS);
  await run(clock, fleet.call());
  await clock.run(clock.now() + STANDS_MS);
  const standing = meter();
  const before = await measure(clock, services);
  const minute = standing();
  const beganAt = clock.now();
  const releasing = meter();
  await run(clock, fleet.release());
  const release = releasing();
  const minutes = (clock.now() - beganAt) / WINDOW_MS;
  await clock.run(clock.now() + SETTLES_MS + shape.warmupMs);
  const memoryMiB = Math.round((usedHeap() - empty) / 2 ** 20);
  const after = await measure(clock, services);
  await fleet.stop();
  return {
    shape,
    requests: counts.sent,
    served: counts.served,
    lost: counts.lost,
    lostWhenCut: counts.lostWhenCut,
    panic: counts.panic,
    pickedAfterAck: counts.pickedAfterAck,
    arrivedAfterAck: counts.arrivedAfterAck,
    shutdowns: counts.offlineMs.length,
    results: Object.fromEntries(counts.results),
    before,
    after,
    calls: counts.calls,
    spans: counts.spans,
    series: counts.series,
    toldMs: middleAndMost(counts.toldMs),
    offlineMs: middleAndMost(counts.offlineMs),
    releaseS: release.allS - minutes * minute.allS,
    workS: release.workS - minutes * minute.workS,
    minuteS: minute.allS,
    memoryMiB,
    mostMiB: Math.round(process.resourceUsage().maxRSS / 2 ** 10),
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

/** How the load of a minute follows the weights. */
async function measure(clock: FleetClock, services: readonly FleetService[]): Promise<Load> {
  for (const { instances } of services) for (const { traffic } of instances) traffic.served = 0;
  await clock.run(clock.now() + WINDOW_MS);
  const off = services.flatMap(({ instances }) => {
    const served = instances.reduce((sum, { traffic }) => sum + traffic.served, 0);
    const weights = instances.reduce((sum, { instance }) => sum + instance.weight, 0);
    return instances.flatMap(({ instance, traffic }) => {
      const expected = (served * instance.weight) / weights;
      return expected < FEWEST ? [] : [Math.abs(traffic.served / expected - 1)];
    });
  });
  return { judged: off.length, off: Math.max(0, ...off) };
}

/** Processor time in seconds, and that without the collections of garbage. */
interface Spent {
  readonly allS: number;
  readonly workS: number;
}

/** Measures from now on; one at a time. The simulation never waits, so that collections have the same part of the time as of the processor time. */
function meter(): () => Spent {
  const collections = new GCProfiler();
  collections.start();
  const [begun, beganAt] = [process.cpuUsage(), performance.now()];
  return () => {
    const { user, system } = process.cpuUsage(begun);
    const allS = (user + system) / 1e6;
    const elapsedMs = performance.now() - beganAt;
    const collectMs = collections.stop().statistics.reduce((sum, { cost }) => sum + cost / 1e3, 0);
    return { allS, workS: allS * (1 - collectMs / elapsedMs) };
  };
}

function middleAndMost(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  return [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0];
}

/** What is in use once the engine has collected everything else, in bytes. */
function usedHeap(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
  return process.memoryUsage().heapUsed;
}
