import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decodeOtlp } from '../../../collector/server/otlp.ts';
import { type Clock, systemClock } from '../../../src/lifecycle/clock.ts';
import { Journal } from '../../../src/lifecycle/journal.ts';
import { createTracing } from '../../../src/trace/tracer.ts';
import type { Tracing } from '../../../src/trace/tracing.ts';
import { listening, portOf } from '../../support/listening.ts';
import { until } from '../../support/until.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

const BODY = '{"resourceSpans":[]}';
const REPLAY_EVERY_MS = 30_000;

let directory: string;
let server: Server;
let asked: number;
let status: number | undefined;
const running = new Set<Tracing>();
beforeEach(async () => {
  directory = useScratchFolder();
  asked = 0;
  status = 200;
  server = createServer((request, response) => {
    request.resume();
    asked++;
    if (status !== undefined) response.writeHead(status).end();
  });
  await listening(server);
});
afterEach(async () => {
  for (const tracing of running) await tracing.shutdown(0);
  running.clear();
  server.close().closeAllConnections();
});

/** A process that has recorded nothing yet. Looks at the spool after the first one are made by hand. */
function makeProcess() {
  const looks: (() => void)[] = [];
  const said: string[] = [];
  const clock: Clock = {
    ...systemClock,
    after: (ms, fire) => {
      if (ms !== REPLAY_EVERY_MS) return systemClock.after(ms, fire);
      looks.push(fire);
      return { cancel: () => {} };
    },
  };
  const tracing = createTracing({
    clock,
    identity: () => ({ service: 'a', instanceId: 'a-1', generation: 1 }),
    target: {
      signal: 'traces',
      protocol: 'http/json',
      endpoint: new URL(`http://127.0.0.1:${portOf(server)}`),
      headers: {},
      compression: 'none',
      timeoutMs: 5_000,
      tls: {},
    },
    resource: {},
    spoolDir: directory,
    log: (_, message) => said.push(message),
  });
  running.add(tracing);
  const journal = new Journal(clock);
  journal.subscribe(tracing.sink);
  const work = (): void => journal.start('consumer.refresh').end();
  const waits = (): Promise<void> => until(() => looks.length > 0);
  const look = async (): Promise<void> => {
    await waits();
    looks.shift()?.();
  };
  return { tracing, said, work, waits, look };
}

const files = (): readonly string[] => readdirSync(directory).sort();

describe('the spool', () => {
  test('is sent by a process that only calls services, with its first record', async () => {
    writeFileSync(join(directory, '1-a.json'), BODY);
    const { work } = makeProcess();
    work();
    await until(() => files().length === 0);
  });

  test('gets spans that could not be sent, and sends them when the collector is back', async () => {
    status = 500;
    const { tracing, work, look } = makeProcess();
    work();
    await until(() => tracing.delivery.spooled === 1);
    status = 200;
    await look();
    await until(() => files().length === 0);
  });

  test('is looked at again while a dead process has claimed something of it', async () => {
    writeFileSync(join(directory, '1-a.json.sending'), BODY);
    const { tracing, work, waits, look } = makeProcess();
    work();
    await until(() => tracing.delivery.exported === 1);
    await waits(); // The first look has found the claimed file.
    expect(await tracing.spooled()).toEqual({ files: 1, bytes: BODY.length });
    renameSync(join(directory, '1-a.json.sending'), join(directory, '1-a.json')); // It was stale.
    await look();
    await until(() => files().length === 0);
  });

  test('may turn bad: one line says so, and nothing ends', async () => {
    status = 503;
    writeFileSync(join(directory, '1-a.json'), BODY);
    const { said, work, waits, look } = makeProcess();
    work();
    await waits();
    const elsewhere = `${directory}-elsewhere`;
    renameSync(directory, elsewhere);
    symlinkSync(elsewhere, directory);
    try {
      await look();
      await until(() => said.some((line) => line.includes('it is a link')));
    } finally {
      rmSync(directory);
      renameSync(elsewhere, directory);
    }
  });

  test('gets back the file that is being sent when the process ends', async () => {
    status = undefined;
    writeFileSync(join(directory, '1-a.json'), BODY);
    const { tracing, work } = makeProcess();
    work();
    await until(() => asked === 2);
    await tracing.shutdown(0);
    expect(files()).toHaveLength(2);
    expect(files()).toContain('1-a.json');
  });
});

test('a process that ends at once leaves the spans of ended work in the spool', () => {
  const source = (name: string) => JSON.stringify(new URL(`../../../src/${name}`, import.meta.url).href);
  const program = `
    import { systemClock } from ${source('lifecycle/clock.ts')};
    import { Journal } from ${source('lifecycle/journal.ts')};
    import { createTracing } from ${source('trace/tracer.ts')};
    const tracing = createTracing({
      clock: systemClock,
      identity: () => ({ service: 'a', instanceId: 'a-1', generation: 1 }),
      target: { endpoint: new URL('http://127.0.0.1:1'), headers: {}, compression: 'none', timeoutMs: 5_000, tls: {} },
      resource: {},
      spoolDir: ${JSON.stringify(directory)},
      log: () => {},
    });
    const journal = new Journal(systemClock);
    journal.subscribe(tracing.sink);
    journal.start('consumer.refresh').end();
    journal.start('drain');
    process.exit(3);`;
  const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
  expect(status).toBe(3);
  const [name = ''] = files();
  const [group] = decodeOtlp(readFileSync(join(directory, name), 'utf8')).groups;
  expect(group?.origin.service).toBe('a');
  expect(group?.spans.map((span) => span.name)).toEqual(['lossless.consumer.refresh']);
});
