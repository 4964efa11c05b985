import { readdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/lifecycle/clock.ts';
import { CollectorClient, type Refusal } from '../../../src/trace/collector-client.ts';
import { replaySpool } from '../../../src/trace/replay.ts';
import { Spool } from '../../../src/trace/spool.ts';
import { listening } from '../../support/listening.ts';
import { SimulatedClock } from '../../support/simulated-clock.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

const TARGET = 'a';

let directory: string;
let server: Server | undefined;
beforeEach(() => {
  directory = useScratchFolder();
});
afterEach(() => {
  server?.close().closeAllConnections();
  server = undefined;
});

/** Files named for their age, whose body holds the status that the collector answers it with. */
function spooled(...statuses: readonly number[]): void {
  statuses.forEach((status, age) => {
    writeFileSync(join(directory, `${age}-${status}.json`), `{"resourceSpans":[],"status":${status}}`);
  });
}

/** Replays against a collector that answers as the bodies say, or `answer` to all of them. */
async function replay(answer?: { readonly status: number; readonly body?: string }, clock: Clock = systemClock) {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    response.writeHead(answer?.status ?? (JSON.parse(body) as { status: number }).status).end(answer?.body);
  });
  const port = await listening(server);
  const endpoint = new URL(`http://127.0.0.1:${port}`);
  const collector = new CollectorClient(
    {
      signal: 'traces',
      protocol: 'http/json',
      endpoint,
      headers: {},
      compression: 'none',
      timeoutMs: 600_000,
      tls: {},
    },
    clock,
  );
  const said: string[] = [];
  const log = (_: unknown, message: string) => said.push(message);
  const replayed = await replaySpool({
    spool: new Spool({ directory, target: TARGET, clock, log }),
    collector,
    clock,
    log,
  });
  return { ...replayed, said, left: readdirSync(directory).sort() };
}

describe('a file that the collector never takes', () => {
  test.each([400, 413])('status %i: the file is set aside, and the others are sent', async (status) => {
    spooled(status, 200, status, 200);
    const { said, ...rest } = await replay();
    expect(rest).toMatchObject({ sent: 2, waiting: 0, left: [`0-${status}.json.corrupt`, `2-${status}.json.corrupt`] });
    expect(said).toEqual([
      expect.stringMatching(`0-${status}.json.corrupt: the collector answered ${status}`),
      expect.stringMatching(`2-${status}.json.corrupt: the collector answered ${status}`),
    ]);
  });

  test('stays when it may be taken later, and the others are sent', async () => {
    spooled(500, 200);
    expect(await replay()).toMatchObject({ sent: 1, waiting: 1, left: ['0-500.json'] });
  });

  test('stays while the collector takes no other file, because it may be no collector', async () => {
    spooled(200, 200, 200);
    expect(await replay({ status: 400 })).toMatchObject({
      sent: 0,
      waiting: 3,
      reason: 'the collector answered 400',
      left: ['0-200.json', '1-200.json', '2-200.json'],
    });
  });
});

test.each([401, 403, 404, 429, 503])(
  'status %i: all files stay, because the collector would refuse them too',
  async (status) => {
    spooled(200, status, 200);
    expect(await replay()).toMatchObject({
      sent: 1,
      waiting: 2,
      reason: `the collector answered ${status}`,
      left: [`1-${status}.json`, '2-200.json'],
    });
  },
);

test('refused files are given back before another process takes this one for dead', async () => {
  spooled(...Array.from({ length: 10 }, () => 500));
  const clock = new SimulatedClock();
  const begun = clock.now();
  // Each answer comes at the end of the time that it is given, at 20 s at the latest.
  const post = async (_: string, withinMs = 0): Promise<Refusal> => {
    clock.stall(Math.min(withinMs, 20_000));
    return { reason: 'the collector answered 500', retryable: false, refuses: 'unknown' };
  };
  const collector = { post } as unknown as CollectorClient;
  const spool = new Spool({ directory, target: TARGET, clock, log: () => {} });
  expect(await replaySpool({ spool, collector, clock, log: () => {} })).toMatchObject({ sent: 0, waiting: 10 });
  expect(clock.now() - begun).toBeLessThanOrEqual(30_000);
});

test('spans that the collector rejects for ever are logged', async () => {
  spooled(200);
  const body = '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}';
  expect(await replay({ status: 200, body })).toMatchObject({
    sent: 1,
    said: ['the collector did not take 2 spans of a spooled file: too old'],
  });
});

test('a claim ends well before another process counts its owner as dead', async () => {
  spooled(200);
  const times: number[] = [];
  const clock: Clock = {
    ...systemClock,
    after: (ms, fire) => {
      times.push(ms);
      return systemClock.after(ms, fire);
    },
  };
  expect(await replay(undefined, clock)).toMatchObject({ sent: 1 });
  expect(times).toEqual([30_000]);
});
