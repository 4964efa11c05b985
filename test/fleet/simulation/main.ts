/**
 * `npm run simulate -- [--instances 1000,2000] [--services 50] [--consumers 250,500] [--seed 1] [--no-waits] [--registry NAME] [--write]`:
 * plays whole releases of fleets, each in one process over a simulated clock and network, and prints what must hold and does not. With `--write` the table
 * and the pictures of `docs/scale.md` are made anew. Exit code 1 when something did not hold.
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
    /** Of the first service; by default a quarter of the instances. */
    consumers: { type: 'string' },
    /** Of each other service. */
    others: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    registry: { type: 'string', default: 'Nacos 3.1, push' },
    /** Requests of each consumer a second; one number for each size. */
    rate: { type: 'string', default: '4' },
    warmup: { type: 'string', default: '120000' },
    /** Whether a release waits as long as its registry lags. */
    waits: { type: 'boolean', default: true },
    write: { type: 'boolean', default: false },
  },
});

const shapes = values.instances.split(',').map((instances, n): Shape => {
  const consumers = values.consumers?.split(',')[n];
  const rates = values.rate.split(',');
  return {
    seed: Number(values.seed),
    instances: Number(instances),
    services: Number(values.services),
    consumers: consumers === undefined ? Math.round(Number(instances) / 4) : Number(consumers),
    consumersOfOthers: Number(values.others),
    registry: values.registry,
    perSecond: Number(rates[n] ?? rates[0]),
    warmupMs: Number(values.warmup),
    waits: values.waits,
    weather: WEATHER,
  };
});

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
