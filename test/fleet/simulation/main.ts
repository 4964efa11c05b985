/**
 * `npm run simulate -- [--instances 1000,2000] [--services 50] [--consumers 250,500] [--seed 1] [--no-waits] [--registry NAME] [--write]`:
 * plays whole releases of fleets, each in one process over a simulated clock and network, and prints the broken rules. `--write` makes
 * the table and the pictures of `docs/scale.md` anew. Exit code 1 when a rule is broken.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { broken } from './broken.ts';
import { CURVES, pictureOf } from './curves.ts';
import { type Shape, WEATHER } from './fleet.ts';
import { type Ran, simulate } from './simulate.ts';

const PAGE = new URL('../../../docs/scale.md', import.meta.url);

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
    /** Requests of each consumer a second. */
    rate: { type: 'string', default: '4' },
    warmup: { type: 'string', default: '120000' },
    /** Whether a release waits as long as its registry lags. */
    waits: { type: 'boolean', default: true },
    write: { type: 'boolean', default: false },
  },
});

const shapes = values.instances.split(',').map((instances, n): Shape => {
  const consumers = values.consumers?.split(',')[n];
  return {
    seed: Number(values.seed),
    instances: Number(instances),
    services: Number(values.services),
    consumers: consumers === undefined ? Math.round(Number(instances) / 4) : Number(consumers),
    consumersOfOthers: Number(values.others),
    registry: values.registry,
    perSecond: Number(values.rate),
    warmupMs: Number(values.warmup),
    waits: values.waits,
    weather: WEATHER,
  };
});

const percent = (off: number | undefined): string =>
  off === undefined ? 'too few requests' : `${(100 * off).toFixed(1)} %`;
const HEAD =
  '| instances | consumers of one service | requests | lost | after an ack | off its weight, before and after | GoAways | told within | shutdowns | processor, s | memory, MiB | spans | series |';

function rowOf(ran: Ran): string {
  const { instances, consumers } = ran.shape;
  const results = Object.entries(ran.results).map(([result, count]) => `${count} ${result}`);
  return `| ${[
    instances,
    consumers,
    ran.requests,
    ran.lost,
    ran.pickedAfterAck + ran.arrivedAfterAck,
    `${percent(ran.offBefore)}, ${percent(ran.offAfter)}`,
    ran.calls,
    `${ran.toldMs[0]} ms, longest ${ran.toldMs[1]} ms`,
    results.join(', '),
    ran.cpuS.toFixed(1),
    ran.memoryMiB,
    ran.spans,
    ran.series,
  ].join(' | ')} |`;
}

const runs: Ran[] = [];
console.log(HEAD);
for (const shape of shapes) {
  const ran = await simulate(shape);
  runs.push(ran);
  console.log(rowOf(ran));
  for (const what of broken(ran)) {
    process.exitCode = 1;
    console.log(`does not hold: ${what}`);
  }
  if (values.write) write();
}

function write(): void {
  const table = [HEAD, HEAD.replace(/[^|]+/g, ' --- '), ...runs.map(rowOf)].join('\n');
  const page = readFileSync(PAGE, 'utf8');
  writeFileSync(
    PAGE,
    page.replace(/(<!-- runs -->\n)[\s\S]*?(<!-- \/runs -->)/, (_, begin, end) => `${begin}${table}\n${end}`),
  );
  for (const curve of CURVES)
    writeFileSync(new URL(`../../../docs/images/scale-${curve.name}.svg`, import.meta.url), pictureOf(curve, runs));
}
