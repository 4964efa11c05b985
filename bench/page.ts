import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { embeddedCollector } from '../test/support/embedded-collector.ts';
import { chromiumMissing, launchChromium } from '../test/support/observe/chromium.ts';
import { joined, sendOtlp, shutdownBodies } from '../test/support/observe/otlp.ts';
import { rollBodies } from '../test/support/observe/roll.ts';
import { ScratchFolder } from '../test/support/scratch-folder.ts';
import { type Benchmark, ms, quantile, type Row, reached } from './row.ts';

const RUNS = 7;

/** Runs in the page: resolves with the milliseconds from the navigation until a failed row has opened by a click. */
const USABLE = `new Promise((resolve) => {
  let isClicked = false;
  const look = () => {
    const row = document.querySelector('.waterfall tr.bad, .instances tr.bad');
    if (row !== null && !isClicked) {
      isClicked = true;
      row.click();
    }
    if (document.querySelector('.details') !== null) resolve(performance.now());
    else requestAnimationFrame(look);
  };
  look();
})`;

/** The same until the sentence of a release says how many shutdowns were lossless. */
const JUDGED = `new Promise((resolve) => {
  const look = () => {
    if (/lossless/.test(document.querySelector('.sentence')?.textContent ?? '')) resolve(performance.now());
    else requestAnimationFrame(look);
  };
  look();
})`;

/** A release of 50 instances with 250 consumers each. */
const ROLL = { service: 'rolled', from: '1', to: '2', instances: 50, consumers: 250, failed: 3, everyMs: 1_000 };

/** Opens a page in a new window and resolves with the milliseconds that the page measures. */
async function timed(browser: Browser, url: string, until: string): Promise<number> {
  const view = await browser.newPage();
  await view.goto(url, { waitUntil: 'commit' });
  const took = await view.evaluate<number>(until);
  await view.close();
  return took;
}

/** Each run asks a new collector, which has read no trace yet. */
async function release(browser: Browser): Promise<readonly Row[]> {
  const folder = new ScratchFolder();
  const database = join(folder.path, 'traces.sqlite');
  const sender = await embeddedCollector({ database });
  await sendOtlp(sender.otlpUrl, joined(rollBodies({ ...ROLL, begin: Date.now() - 60_000 })));
  await sender.close();
  const measure = async (until: string): Promise<readonly number[]> => {
    const took: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const collector = await embeddedCollector({ database });
      took.push(await timed(browser, `${collector.queryUrl}/release/rolled/2`, until));
      await collector.close();
    }
    return took;
  };
  const [usable, judged] = [await measure(USABLE), await measure(JUDGED)];
  folder.remove();
  const what = `a release of ${ROLL.instances} instances with ${ROLL.consumers} consumers each`;
  const words = (took: readonly number[]) => `${ms(quantile(took, 0.5))}, at most ${ms(Math.max(...took))}`;
  return [
    {
      what: `${what}, until the lane of the lossy shutdown shows its details`,
      measured: words(usable),
      against: reached(quantile(usable, 1) <= 1_000, '≤ 1 s'),
    },
    {
      what: 'the same release, until the page has read all traces and shows the verdict',
      measured: words(judged),
      against: '',
    },
  ];
}

export const page: Benchmark = {
  title: 'The page of the collector',
  how: `Time from the navigation until a click has opened a row, by the clock of the page, in a new window of a running Chromium: median and longest of ${RUNS}.`,
  async run() {
    const missing = chromiumMissing();
    if (missing) {
      console.log(`  ${missing}`);
      return [];
    }
    const collector = await embeddedCollector();
    const browser = await launchChromium();
    const rows: Row[] = [];
    for (const consumers of [250, 1_000, 2_000]) {
      const { traceId, bodies } = shutdownBodies('measured', consumers, 10, Date.now(), ['a', 'b', 'c', 'd', 'e']);
      await sendOtlp(collector.otlpUrl, bodies);
      const took: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        took.push(await timed(browser, `${collector.queryUrl}/trace/${traceId}`, USABLE));
      }
      rows.push({
        what: `a shutdown of ${consumers} consumers, until a row shows its details`,
        measured: `${ms(quantile(took, 0.5))}, at most ${ms(Math.max(...took))}`,
        against: consumers === 1_000 ? reached(quantile(took, 1) <= 1_000, '≤ 1 s') : '',
      });
    }
    await collector.close();
    rows.push(...(await release(browser)));
    await browser.close();
    return rows;
  },
};
