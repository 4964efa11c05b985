import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { embeddedCollector } from '../test/support/embedded-collector.ts';
import { sendOtlp, shutdownBodies } from '../test/support/observe/otlp.ts';
import { CLI } from '../test/support/process/cli.ts';
import { type Benchmark, ms, quantile, reached } from './row.ts';

const SHUTDOWNS = 1_000;
const CONSUMERS = 5;
const RUNS = 5;

export const verify: Benchmark = {
  title: 'The release gate',
  how: `\`lossless verify\` as a process of its own over ${SHUTDOWNS} shutdowns of ${CONSUMERS} consumers in the embedded collector; longest of ${RUNS}.`,
  async run() {
    const collector = await embeddedCollector();
    try {
      const begin = Date.now() - 600_000;
      for (let n = 0; n < SHUTDOWNS; n++)
        await sendOtlp(collector.otlpUrl, shutdownBodies('rolled', CONSUMERS, 0, begin + n * 100).bodies);
      const args = ['verify', '--service', 'rolled', '--since', '1h', '--expect', `${SHUTDOWNS}`];
      const took: number[] = [];
      for (let run = 0; run < RUNS; run++) {
        const begun = performance.now();
        await promisify(execFile)(process.execPath, [CLI, ...args, '--url', collector.queryUrl], {
          maxBuffer: 2 ** 24,
        });
        took.push(performance.now() - begun);
      }
      const longest = quantile(took, 1);
      return [{ what: `${SHUTDOWNS} shutdowns`, measured: ms(longest), against: reached(longest <= 5_000, '≤ 5 s') }];
    } finally {
      await collector.close();
    }
  },
};
