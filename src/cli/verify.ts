import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { LosslessError } from '../errors.ts';
import { sleep, systemClock } from '../lifecycle/clock.ts';
import type { Judgement } from '../trace/model/judge.ts';
import type { Command } from './command.ts';
import { ask } from './evidence.ts';
import { JaegerClient } from './jaeger-client.ts';
import { jaegerUrl } from './jaeger-url.ts';
import { junitOf } from './junit.ts';
import { releasePage } from './release-page.ts';
import { beginOf, durationOf } from './since.ts';
import { MOST } from './traces-since.ts';
import { print } from './verify-report.ts';
import { whole } from './whole.ts';

/** Interval of questions to the store while traces are incomplete, and the longest wait, in milliseconds. */
const ASK_EVERY_MS = 2_000;
const LONGEST_WAIT_MS = 3_600_000;

const EXIT: Readonly<Record<Judgement['verdict'], number>> = { lossless: 0, lossy: 1, unknown: 2 };

export const command: Command = {
  usage:
    '--service NAME --since 10m|2026-01-31T12:00:00Z [--release latest|VERSION|TIME] [--namespace NAME] [--expect N] [--wait 5m] [--url http://127.0.0.1:16686] [--json] [--junit FILE] [--html FILE]',
  summary: 'Release gate: were all shutdowns of a service lossless? Exit code 0 yes, 1 no, 2 unknown.',
  async run(args, io) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        service: { type: 'string' },
        since: { type: 'string' },
        release: { type: 'string' },
        expect: { type: 'string' },
        wait: { type: 'string', default: '0s' },
        url: { type: 'string' },
        json: { type: 'boolean', default: false },
        junit: { type: 'string' },
        html: { type: 'string' },
        namespace: { type: 'string' },
      },
    });
    const { html, junit, namespace, release, service, since = release && '1d', wait } = values;
    if (!service || !since)
      throw new LosslessError('LOSSLESS_USAGE', 'expected --service and --since, for example --since 10m');
    if (html !== undefined && release === undefined)
      throw new LosslessError('LOSSLESS_USAGE', '--html shows a release: name it with --release, for example latest');
    const begin = beginOf(since, Date.now());
    const waitMs = durationOf(wait);
    if (waitMs === undefined || waitMs > LONGEST_WAIT_MS)
      throw new LosslessError('LOSSLESS_USAGE', `--wait must be a duration up to 1h like 90s or 5m, received ${wait}`);
    const expected = values.expect === undefined ? 1 : whole('--expect', values.expect, 0, MOST);
    const url = jaegerUrl(values.url);
    const question = { service, namespace, begin, expected, release };
    const client = new JaegerClient(url);
    const end = Date.now() + waitMs;
    let evidence = await ask(client, question);
    while (evidence.report.verdict === 'unknown' && Date.now() + ASK_EVERY_MS < end) {
      await sleep(systemClock, ASK_EVERY_MS);
      evidence = await ask(client, question);
    }
    const { report, shown } = evidence;
    if (html !== undefined && shown !== undefined) await writeFile(html, releasePage(shown, url));
    if (junit !== undefined) await writeFile(junit, junitOf(report));
    if (values.json) io.out(JSON.stringify(report));
    else print(report, url, io);
    return EXIT[report.verdict];
  },
};
