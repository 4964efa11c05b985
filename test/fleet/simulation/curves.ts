import type { Ran } from './simulate.ts';

/** One picture: a value of each run over the size of its fleet. */
export interface Curve {
  readonly name: string;
  readonly title: string;
  readonly of: (ran: Ran) => number;
}

export const CURVES: readonly Curve[] = [
  { name: 'cost', title: 'processor time of a whole release, seconds', of: ({ cpuS }) => cpuS },
  {
    name: 'cost-each',
    title: 'processor time of one GoAway at both sides, ms',
    of: ({ cpuS, calls }) => (1_000 * cpuS) / calls,
  },
  { name: 'memory', title: 'memory of the whole fleet, MiB', of: ({ memoryMiB }) => memoryMiB },
  { name: 'calls', title: 'GoAways', of: ({ calls }) => calls },
  { name: 'spans', title: 'spans', of: ({ spans }) => spans },
  { name: 'series', title: 'series of span metrics', of: ({ series }) => series },
];

const WIDTH = 420;
const HEIGHT = 220;
const MARGIN = { left: 64, right: 16, top: 34, bottom: 36 };

/** A picture of a curve as SVG, readable on light and dark backgrounds. */
export function pictureOf({ title, of }: Curve, runs: readonly Ran[]): string {
  const points = runs.map((ran) => [ran.shape.instances, of(ran)] as const);
  const [mostX, mostY] = [Math.max(...points.map(([x]) => x)), Math.max(...points.map(([, y]) => y))];
  const x = (value: number): number => MARGIN.left + (value / mostX) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (value: number): number => HEIGHT - MARGIN.bottom - (value / mostY) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const at = points.map(([size, value]) => `${x(size).toFixed(1)},${y(value).toFixed(1)}`);
  const text = (left: number, top: number, anchor: string, words: string): string =>
    `<text x="${left}" y="${top}" text-anchor="${anchor}">${words}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}, by instances">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    '<g font-family="sans-serif" font-size="12" fill="#333">',
    text(MARGIN.left, 20, 'start', title),
    text(MARGIN.left - 8, MARGIN.top + 4, 'end', numberOf(mostY)),
    text(MARGIN.left - 8, HEIGHT - MARGIN.bottom + 4, 'end', '0'),
    ...points.map(([size]) => text(x(size), HEIGHT - 16, 'middle', String(size))),
    '</g>',
    `<path d="M${MARGIN.left} ${MARGIN.top}V${HEIGHT - MARGIN.bottom}H${WIDTH - MARGIN.right}" fill="none" stroke="#888"/>`,
    `<polyline points="${at.join(' ')}" fill="none" stroke="#0b62a8" stroke-width="2"/>`,
    ...at.map((point) => `<circle cx="${point.split(',')[0]}" cy="${point.split(',')[1]}" r="3" fill="#0b62a8"/>`),
    '</svg>\n',
  ].join('\n');
}

function numberOf(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
