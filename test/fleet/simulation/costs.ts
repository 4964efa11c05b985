import { allConsumers, pairsOf } from './fleet.ts';
import type { Ran } from './simulate.ts';

/** Something that a whole release costs. */
export interface Cost {
  readonly name: string;
  readonly title: string;
  readonly of: (ran: Ran) => number;
  /** The same for one of what it should grow with. */
  readonly each: { readonly title: string; readonly of: (ran: Ran) => number };
}

export const COSTS: readonly Cost[] = [
  {
    name: 'processor',
    title: 'processor time, s',
    of: ({ releaseS }) => releaseS,
    each: { title: 'ms for each GoAway, both sides', of: ({ calls, releaseS }) => (1_000 * releaseS) / calls },
  },
  {
    name: 'work',
    title: 'processor time without collections, s',
    of: ({ workS }) => workS,
    each: { title: 'ms for each GoAway, both sides', of: ({ calls, workS }) => (1_000 * workS) / calls },
  },
  {
    name: 'memory',
    title: 'memory of all processes, MiB',
    of: ({ memoryMiB }) => memoryMiB,
    each: {
      title: 'KiB for each instance that a consumer may call, both sides',
      of: ({ memoryMiB, shape }) => (1_024 * memoryMiB) / pairsOf(shape),
    },
  },
  {
    name: 'calls',
    title: 'GoAways',
    of: ({ calls }) => calls,
    each: { title: 'for each consumer of each instance', of: ({ calls, shape }) => calls / pairsOf(shape) },
  },
  {
    name: 'spans',
    title: 'spans',
    of: ({ spans }) => spans,
    each: { title: 'for each consumer of each instance', of: ({ shape, spans }) => spans / pairsOf(shape) },
  },
  {
    name: 'series',
    title: 'series of span metrics',
    of: ({ series }) => series,
    each: { title: 'for each service', of: ({ series, shape }) => series / shape.services },
  },
];

/** Something by which fleets differ that are alike in all else. */
export interface Axis {
  readonly name: string;
  readonly of: (ran: Ran) => number;
  readonly alike: (ran: Ran) => string;
}

export const AXES = {
  instances: {
    name: 'instances',
    of: ({ shape }) => shape.instances,
    alike: ({ shape }) => `${shape.seed} ${shape.services} ${shape.consumers} ${shape.consumersOfOthers}`,
  },
  consumers: {
    name: 'consumers of all services',
    of: ({ shape }) => allConsumers(shape),
    alike: ({ shape }) => `${shape.seed} ${shape.services} ${shape.instances}`,
  },
} satisfies Record<string, Axis>;

/** The most runs that differ along an axis alone; of as many runs, the larger ones. */
export function along({ alike }: Axis, runs: readonly Ran[]): readonly Ran[] {
  return [...Map.groupBy(runs, alike).values()].reduce(
    (most, group) => (group.length >= most.length ? group : most),
    [],
  );
}

/**
 * The power with which a cost grows along an axis: 1 is linear, 0 does not grow. The slope of the line through the logarithms with the
 * smallest squares.
 *
 * @returns undefined for fewer than three runs
 */
export function exponentOf(cost: Cost, axis: Axis, runs: readonly Ran[]): number | undefined {
  const points = along(axis, runs).map((ran) => [Math.log(axis.of(ran)), Math.log(cost.of(ran))] as const);
  if (points.length < 3) return undefined;
  const mean = (of: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(([at]) => at), mean(([, value]) => value)];
  return mean(([at, value]) => (at - x) * (value - y)) / mean(([at]) => (at - x) ** 2);
}
