import { describe, expect, test } from 'vitest';
import cases from '../fleet/cases.json' with { type: 'json' };
import { type Fleet, shapeOf } from '../fleet/fleet.ts';
import { generate } from '../fleet/generate.ts';
import { judge } from '../fleet/oracle.ts';
import { linesOf } from '../fleet/report.ts';
import { run } from '../fleet/run.ts';

/** The first of twenty seeds. `npm run fleet` plays other ones. */
const SEED = 1_000;

/** Longest grace period of a case that is played here, in milliseconds: others take too long. */
const LONGEST_MS = 10_000;

async function violationsOf(fleet: Fleet): Promise<readonly string[]> {
  const observed = await run(fleet);
  const judgement = judge(fleet, observed);
  console.log(linesOf({ fleet, observed, judgement }).join('\n'));
  return judgement.violations.map(({ kind, text }) => `${kind}: ${text}`);
}

/** A client that loses requests while the trace says `success`: see test/fleet/oracle.ts. */
describe('a run in which a client failed is never called lossless', () => {
  const seeds = Array.from({ length: 20 }, (_, n) => generate(SEED + n));
  test.each(seeds.map((fleet) => [`${fleet.name}: ${shapeOf(fleet)}`, fleet] as const))('%s', async (_, fleet) => {
    expect(await violationsOf(fleet)).toEqual([]);
  });
});

describe('a run of a recorded case is never called lossless when a client failed', () => {
  const quick = (cases as readonly Fleet[]).filter(({ gracePeriodMs }) => gracePeriodMs <= LONGEST_MS);
  test.each(quick.map((fleet) => [fleet.name, fleet] as const))('%s', async (_, fleet) => {
    expect(await violationsOf(fleet)).toEqual([]);
  });
});
