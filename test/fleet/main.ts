/**
 * `npm run fleet -- [--runs 20] [--seed N] [--shrink 30] [--fleet '{…}']`: plays fleets of consecutive seeds and compares the loss
 * of clients with the traces. It makes a failing fleet smaller and prints it as JSON, for `cases.json`. Exit code 1 when a fleet
 * failed.
 */
import { parseArgs } from 'node:util';
import cases from './cases.json' with { type: 'json' };
import { type Fleet, shapeOf } from './fleet.ts';
import { generate } from './generate.ts';
import { judge } from './oracle.ts';
import { linesOf, type Ran, summaryOf } from './report.ts';
import { run } from './run.ts';
import { shrink } from './shrink.ts';

/** Longest search for a smaller fleet, in milliseconds. */
const SHRINK_MS = 300_000;

const { values } = parseArgs({
  options: {
    /** Number of fleets. */
    runs: { type: 'string', default: '20' },
    /** The first seed; by default a new one each day. */
    seed: { type: 'string', default: String(Math.floor(Date.now() / 86_400_000) * 1_000) },
    /** Most runs of the shrinker; 0 prints the failing fleet unchanged. */
    shrink: { type: 'string', default: '30' },
    /** Plays one fleet, given as JSON, again and again instead of seeds. */
    fleet: { type: 'string' },
    /** Plays the committed cases instead of seeds. */
    cases: { type: 'boolean', default: false },
  },
});

async function play(fleet: Fleet): Promise<Ran> {
  const observed = await run(fleet);
  return { fleet, observed, judgement: judge(fleet, observed) };
}

function chosen(): readonly Fleet[] {
  const { fleet } = values;
  if (fleet !== undefined) return Array.from({ length: Number(values.runs) }, () => JSON.parse(fleet) as Fleet);
  if (values.cases) return cases as readonly Fleet[];
  return Array.from({ length: Number(values.runs) }, (_, n) => generate(Number(values.seed) + n));
}

const runs: Ran[] = [];
let broken = 0;
for (const fleet of chosen()) {
  try {
    const ran = await play(fleet);
    runs.push(ran);
    for (const line of linesOf(ran)) console.log(line);
    const kinds = new Set(ran.judgement.violations.map(({ kind }) => kind));
    if (kinds.size === 0 || Number(values.shrink) === 0) continue;
    const isSame = async (smaller: Fleet): Promise<boolean> =>
      (await play(smaller)).judgement.violations.some(({ kind }) => kinds.has(kind));
    const smallest = await shrink(fleet, isSame, { runs: Number(values.shrink), withinMs: SHRINK_MS });
    console.log(`  smallest: ${shapeOf(smallest)}\n  ${JSON.stringify(smallest)}`);
  } catch (thrown) {
    broken++;
    console.log(
      `${fleet.name}: ${shapeOf(fleet)}\n  could not be played: ${(thrown as Error).message.slice(0, 2_000)}`,
    );
  }
}
console.log(`\n${summaryOf(runs, broken).join('\n')}`);
process.exit(broken === 0 && runs.every(({ judgement }) => judgement.violations.length === 0) ? 0 : 1);
