import type { ShownRelease } from '../src/trace/model/shown.ts';
import { embeddedCollector } from '../test/support/embedded-collector.ts';
import { joined, sendOtlp, shutdownBodies } from '../test/support/observe/otlp.ts';
import { rollBodies } from '../test/support/observe/roll.ts';
import { lossless } from '../test/support/process/cli.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

const SHUTDOWNS = 1_000;
const CONSUMERS = 5;
const RUNS = 5;

/** Releases of 50 instances, one an hour: 10,000 shutdowns and as many starts. */
const RELEASES = 200;
const INSTANCES = 50;
const HOUR = 3_600_000;

/** Runs `lossless verify` and resolves with the milliseconds that it took. */
async function gate(queryUrl: string, ...args: readonly string[]): Promise<number> {
  const begun = performance.now();
  const { code, stderr } = await lossless(['verify', ...args, '--url', queryUrl]);
  if (code !== 0) throw new Error(`verify ended with ${code}: ${stderr}`);
  return performance.now() - begun;
}

/** Asks as the page does, until the collector has read all traces of the release. */
async function click(queryUrl: string): Promise<number> {
  const begun = performance.now();
  for (;;) {
    const response = await fetch(`${queryUrl}/page/releases/shop/latest`);
    const { unread } = (await response.json()) as ShownRelease;
    if (unread === 0) return performance.now() - begun;
  }
}

async function allShutdowns(): Promise<readonly Row[]> {
  const collector = await embeddedCollector();
  const begin = Date.now() - 600_000;
  for (let n = 0; n < SHUTDOWNS; n++)
    await sendOtlp(collector.otlpUrl, shutdownBodies('rolled', CONSUMERS, 0, begin + n * 100).bodies);
  const took: number[] = [];
  for (let run = 0; run < RUNS; run++)
    took.push(await gate(collector.queryUrl, '--service', 'rolled', '--since', '1h', '--expect', `${SHUTDOWNS}`));
  await collector.close();
  const longest = quantile(took, 1);
  return [{ what: `${SHUTDOWNS} shutdowns`, measured: ms(longest), against: reached(longest <= 5_000, '≤ 5 s') }];
}

async function lastRelease(): Promise<readonly Row[]> {
  const collector = await embeddedCollector();
  for (let n = 0; n < RELEASES; n++) {
    const begin = Date.now() - (RELEASES - 1 - n) * HOUR - 300_000;
    const roll = { service: 'shop', from: `${n}`, to: `${n + 1}`, instances: INSTANCES, consumers: CONSUMERS };
    await sendOtlp(collector.otlpUrl, joined(rollBodies({ ...roll, begin, everyMs: 2_000 })));
  }
  const first = await click(collector.queryUrl);
  const took: number[] = [];
  for (let run = 0; run < RUNS; run++)
    took.push(await gate(collector.queryUrl, '--service', 'shop', '--release', 'latest', '--expect', `${INSTANCES}`));
  await collector.close();
  const longest = quantile(took, 1);
  const what = `the last release of ${INSTANCES} instances, in a store of ${RELEASES * INSTANCES} shutdowns`;
  return [
    { what: `${what}, by \`--release latest\``, measured: ms(longest), against: reached(longest <= 1_000, '≤ 1 s') },
    { what: `${what}, the first answer to the page`, measured: ms(first), against: reached(first <= 1_000, '≤ 1 s') },
  ];
}

export const verify: Benchmark = {
  title: 'The release gate',
  how: `\`lossless verify\` runs as a process of its own and judges shutdowns of ${CONSUMERS} consumers in the embedded collector; longest of ${RUNS}.`,
  run: async () => [...(await allShutdowns()), ...(await lastRelease())],
};
