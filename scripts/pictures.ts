/**
 * `npm run pictures`: rolls a service of real processes under load, and takes the pictures of its release and of one of its
 * shutdowns that the README shows, light and dark, into `docs/images/`. Needs Chromium (`CONTRIBUTING.md`).
 */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { startCollector } from '../collector/server/server.ts';
import { Load } from '../src/cli/demo/load.ts';
import { Member } from '../src/cli/demo/member.ts';
import { JaegerClient } from '../src/cli/jaeger-client.ts';
import { assess } from '../src/trace/model/verdict.ts';
import { chromiumMissing, launchChromium } from '../test/support/observe/chromium.ts';
import { ScratchFolder } from '../test/support/scratch-folder.ts';

const HOST = '127.0.0.1';
const FOLDER = join(import.meta.dirname, '../docs/images');

/** Largest file, in bytes, for readers with slow connections. */
const LARGEST = 150_000;

/** Instances of the service, and of each service that calls it. */
const INSTANCES = 4;
const CALLERS = ['web', 'mobile'];
const CALLERS_EACH = 3;

/** Requests per second to each caller, and how long they are sent before and after the release, in milliseconds. */
const RATE = 12;
const BEFORE_MS = 12_000;
const AFTER_MS = 7_000;

const missing = chromiumMissing();
if (missing) throw new Error(missing);

const scratch = new ScratchFolder();
const collector = await startCollector({
  host: HOST,
  ports: [0],
  database: ':memory:',
  maxAgeMs: 3_600_000,
  maxBytes: 2 ** 28,
});

/** Starts one process and waits until it is ready. */
async function start(service: string, instance: string, version: string, next = ''): Promise<Started> {
  const member = new Member({
    program: 'service',
    name: instance,
    args: [service, next, HOST],
    controlHost: HOST,
    message: console.error,
    env: {
      NODE_OPTIONS: `--import=${new URL('../dist/src/register.js', import.meta.url).href}`,
      LOSSLESS_ENABLED: 'true',
      LOSSLESS_REGISTRY: new URL(`file://${join(scratch.path, 'registry')}`).href,
      LOSSLESS_CONTROL_PORT: '0',
      LOSSLESS_CONTROL_HOST: HOST,
      LOSSLESS_SPOOL_DIR: join(scratch.path, 'spool'),
      LOSSLESS_JAEGER_URL: collector.queryUrl,
      LOSSLESS_WARMUP_MS: '4000',
      OTEL_SERVICE_NAME: service,
      OTEL_RESOURCE_ATTRIBUTES: `service.instance.id=${instance},service.version=${version}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.otlpUrl,
    },
  });
  return { member, port: await member.ready() };
}

interface Started {
  readonly member: Member;
  readonly port: number;
}

const running: Member[] = [];
try {
  const old: Member[] = [];
  for (let n = 0; n < INSTANCES; n++) old.push((await start('checkout', `checkout-old-${n}`, '2.3.1')).member);
  running.push(...old);
  const loads: Load[] = [];
  for (const service of CALLERS)
    for (let n = 0; n < CALLERS_EACH; n++) {
      const { member, port } = await start(service, `${service}-${n}`, '1.0.0', 'checkout');
      running.push(member);
      loads.push(new Load(new URL(`http://${HOST}:${port}/work`)));
    }
  for (const load of loads) load.start(RATE);
  await setTimeout(BEFORE_MS);
  for (const [n, leaving] of old.entries()) {
    running.push((await start('checkout', `checkout-new-${n}`, '2.4.0')).member);
    await leaving.leave();
  }
  await setTimeout(AFTER_MS);
  for (const load of loads) await load.stop();
  const counts = loads.map((load) => load.counts);
  console.log(`requests ${sum(counts, 'requests')}, failed ${sum(counts, 'failed')}`);
  await takePictures();
} finally {
  await Promise.all(running.map((member) => member.kill()));
  await collector.close();
  scratch.remove();
}
process.exit();

function sum(counts: readonly Load['counts'][], key: 'requests' | 'failed'): number {
  return counts.reduce((total, each) => total + each[key], 0);
}

async function takePictures(): Promise<void> {
  const shutdowns = await new JaegerClient(new URL(collector.queryUrl)).search({
    service: 'checkout',
    operation: 'lossless.offline',
  });
  const [last] = shutdowns.map((trace) => assess(trace)).filter(({ whole }) => whole);
  if (last === undefined) throw new Error('expected a whole trace of a shutdown, found none');
  const pages = { release: '/release/checkout/2.4.0', shutdown: `/trace/${last.traceId}` };
  mkdirSync(FOLDER, { recursive: true });
  const browser = await launchChromium();
  for (const [name, path] of Object.entries(pages))
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await browser.newPage({
        colorScheme,
        viewport: { width: 980, height: 400 },
        deviceScaleFactor: 1.1,
        locale: 'en-GB',
        timezoneId: 'UTC',
      });
      await page.goto(`${collector.queryUrl}${path}`);
      await page.locator('.verdict .badge.ok').first().waitFor();
      await page.locator('.neighbours').waitFor();
      const file = join(FOLDER, `${name}-${colorScheme}.png`);
      await page.screenshot({ path: file, fullPage: true });
      const { size } = statSync(file);
      console.log(`${file}: ${size} bytes`);
      if (size > LARGEST) throw new Error(`${file} has ${size} bytes, expected at most ${LARGEST}`);
      await page.close();
    }
  await browser.close();
}
