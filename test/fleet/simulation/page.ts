import { readFileSync, writeFileSync } from 'node:fs';
import { AXES, along, COSTS, type Cost, exponentOf } from './costs.ts';
import { pictureOf } from './picture.ts';
import type { Load, Ran } from './simulate.ts';

const PAGE = new URL('../../../docs/scale.md', import.meta.url);

/** The columns of a run. */
const COLUMNS: readonly (readonly [string, (ran: Ran) => string | number])[] = [
  ['services', ({ shape }) => shape.services],
  ['instances', ({ shape }) => shape.instances],
  ['consumers of one service', ({ shape }) => shape.consumers],
  ['seed', ({ shape }) => shape.seed],
  ['requests', ({ requests }) => requests],
  ['lost', ({ lost, lostWhenCut }) => lost + lostWhenCut],
  ['after an ack', ({ arrivedAfterAck, pickedAfterAck }) => pickedAfterAck + arrivedAfterAck],
  ['off its weight, before and after', ({ after, before }) => `${percent(before)}, ${percent(after)}`],
  ['instances so judged', ({ after }) => after.judged],
  ['GoAways', ({ calls }) => calls],
  ['told within', ({ toldMs }) => `${toldMs[0]} ms, longest ${toldMs[1]} ms`],
  [
    'shutdowns',
    ({ results }) =>
      Object.entries(results)
        .map(([result, count]) => `${count} ${result}`)
        .join(', '),
  ],
  ['processor, s', ({ releaseS }) => releaseS.toFixed(1)],
  ['without collections', ({ workS }) => workS.toFixed(1)],
  ['memory, MiB', ({ memoryMiB }) => memoryMiB],
  ['spans', ({ spans }) => spans],
  ['series', ({ series }) => series],
];

function percent({ judged, off }: Load): string {
  return judged === 0 ? 'too few requests' : `${(100 * off).toFixed(1)} %`;
}

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

/** What runs have shown, as a table. */
export function tableOf(runs: readonly Ran[]): string {
  const names = COLUMNS.map(([name]) => name);
  return [names, names.map(() => '---'), ...runs.map((ran) => COLUMNS.map(([, of]) => of(ran)))].map(row).join('\n');
}

/** How each cost grows, as a table. */
export function growthOf(runs: readonly Ran[]): string {
  const sizes = along(AXES.instances, runs);
  const first = sizes[0];
  const last = sizes.at(-1);
  const cells = (cost: Cost): readonly string[] => [
    cost.title,
    ...Object.values(AXES).map((axis) => exponentOf(cost, axis, runs)?.toFixed(2) ?? 'too few sizes'),
    cost.each.title,
    ...[first, last].map((ran) => (ran === undefined ? '' : cost.each.of(ran).toPrecision(3))),
  ];
  const head = [
    'cost of a whole release',
    ...Object.values(AXES).map(({ name }) => `exponent over ${name}`),
    'for one',
    ...[first, last].map((ran) => `of ${ran?.shape.instances} instances`),
  ];
  return [head, head.map(() => '---'), ...COSTS.map(cells)].map(row).join('\n');
}

/** Makes the tables and the pictures of the page anew. */
export function writePage(runs: readonly Ran[]): void {
  const page = readFileSync(PAGE, 'utf8');
  const written = { runs: tableOf(runs), growth: growthOf(runs) };
  const parts = /(<!-- (runs|growth) -->\n)[\s\S]*?(<!-- \/\2 -->)/g;
  writeFileSync(
    PAGE,
    page.replace(parts, (_, begin, name: keyof typeof written, end) => `${begin}${written[name]}\n${end}`),
  );
  for (const { name, of, title } of COSTS) {
    const points = along(AXES.instances, runs).map((ran) => [AXES.instances.of(ran), of(ran)] as const);
    writeFileSync(new URL(`images/scale-${name}.svg`, PAGE), pictureOf(`${title}, by instances`, points));
  }
}
