/**
 * `npm run simulate -- [--instances 1000,2000] [--services 50] [--consumers 250,500] [--rate 4,4] [--seed 1] [--no-waits] [--registry NAME] [--write]`:
 * plays whole releases of fleets, each in one process over a simulated clock and network, and prints what must hold and does not. With `--write` the runs
 * are kept, and the tables and pictures of `docs/scale.md` are made anew of all kept ones. Exit code 1 when something did not hold.
 */
import { parseArgs } from 'node:util';
import { broken } from './broken.ts';
import { type Shape, WEATHER } from './fleet.ts';
import { growthOf, tableOf, writePage } from './page.ts';
import { keep, keptRuns } from './runs.ts';
import { type Ran, simulate } from './simulate.ts';

const { values } = parseArgs({
  allowNegative: true,
  options: {
    /** Of all services together; several sizes make curves. */
    instances: { type: 'string', default: '1000' },
    services: { type: 'string', default: '50' },
    /** Of the first service, for each size or for all; by default a quarter of the instances. */
    consumers: { type: 'string' },
    /** Of each other service. */
    others: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    registry: { type: 'string', default: 'Nacos 3.1, push' },
    /** Requests of each consumer a second, for each size or for all. */
    rate: { type: 'string', default: '4' },
    warmup: { type: 'string', default: '120000' },
    /** Whether a release waits as long as its registry lags. */
    waits: { type: 'boolean', default: true },
    write: { type: 'boolean', default: false },
  },
});

/** What a list says of one of the sizes; its last number is that of the sizes beyond it. */
function numberFor(list: string, n: number): number {
  const numbers = list.split(',');
  return Number(numbers[n] ?? numbers.at(-1));
}

const shapes = values.instances.split(',').map(
  (instances, n): Shape => ({
    seed: Number(values.seed),
    instances: Number(instances),
    services: Number(values.services),
    consumers: values.consumers === undefined ? Math.round(Number(instances) / 4) : numberFor(values.consumers, n),
    consumersOfOthers: Number(values.others),
    registry: values.registry,
    perSecond: numberFor(values.rate, n),
    warmupMs: Number(values.warmup),
    waits: values.waits,
    weather: WEATHER,
  }),
);

const runs: Ran[] = [];
for (const shape of shapes) {
  const ran = await simulate(shape);
  runs.push(ran);
  console.log(tableOf([ran]));
  for (const what of broken(ran)) {
    process.exitCode = 1;
    console.log(`does not hold: ${what}`);
  }
  if (values.write) keep(ran);
}
console.log(growthOf(runs));
if (values.write) writePage(keptRuns());
