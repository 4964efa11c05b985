import { embeddedCollector } from '../test/support/embedded-collector.ts';
import { Child } from '../test/support/process/child.ts';
import { newChildren } from '../test/support/process/use-children.ts';
import { World } from '../test/support/process/world.ts';
import { asShares, paired } from './paired.ts';
import { type Benchmark, type Row, reached } from './row.ts';
import { CONCURRENCY } from './slice.ts';

const SERVER = new URL('../test/fixtures/apps/grpc.ts', import.meta.url);
const CALLER = new URL('grpc-caller.ts', import.meta.url);

/** Processes of each kind, so that the compiled code of one does not decide. */
const PROCESSES = 6;
const PAIRS = 1_000;
const CALLS = 500;

/** Calls of each process before the measurement. */
const WARM_CALLS = 8_000;

async function cost(): Promise<Row> {
  const world = new World(newChildren(), await embeddedCollector());
  const start = (options: object, env: Readonly<Record<string, string>>): Child =>
    world.children.add(Child.node(CALLER, { args: [JSON.stringify(options)], env, ipc: true }));
  try {
    const started = [0, 1].map(() =>
      world.service('echo', { file: SERVER, kind: 'grpc-js', env: { LOSSLESS_WARMUP_MS: '0' } }),
    );
    const ports = (await Promise.all(started)).map(({ port }) => port);
    const each = Array.from({ length: PROCESSES });
    const without = each.map(() => start({ ports }, {}));
    const withPlugin = each.map(() => start({ ports, service: 'echo' }, world.env('caller')));
    for (const caller of [...without, ...withPlugin]) await call(caller, WARM_CALLS);
    const of = (callers: readonly Child[]) => (pair: number) => call(callers[pair % PROCESSES] as Child, CALLS);
    const costs = await paired(PAIRS, of(without), of(withPlugin));
    const { added, base } = costs;
    return {
      what: 'grpc-js, `lossless:///echo`, against round_robin over a list',
      measured: `${asShares(costs)} on ${base.toFixed(0)} µs`,
      against: reached(added <= 0.05 * base, '≤ 5 %'),
    };
  } finally {
    await world.close();
  }
}

/** @returns CPU microseconds of each call */
async function call(caller: Child, calls: number): Promise<number> {
  const answer = caller.receives<{ readonly µs: number }>();
  caller.send({ calls });
  return (await answer).µs;
}

export const grpcCost: Benchmark = {
  title: 'CPU cost of a gRPC call',
  how: `User and system time of a whole client process of grpc-js that calls two instances: by name with the plugin, against a static list without it. ${PROCESSES} processes of each kind; ${PAIRS} alternating pairs of ${CALLS} calls, ${CONCURRENCY} at a time. The table gives the median difference, with the 95 % interval of that median.`,
  run: async () => [await cost()],
};
