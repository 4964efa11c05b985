import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/lifecycle/clock.ts';
import { CollectorClient, type Refusal } from '../../../src/trace/collector-client.ts';
import { Outbox, type OutboxOptions } from '../../../src/trace/outbox.ts';
import { Spool } from '../../../src/trace/spool.ts';
import { listening } from '../../support/listening.ts';
import { until } from '../../support/until.ts';
import { useScratchFolder } from '../../support/use-scratch-folder.ts';

type Options = OutboxOptions<string>;

let directory: string;
beforeEach(() => {
  directory = useScratchFolder();
});

/** An outbox whose spans are their names. */
function outbox(send: Options['send'], failure: Options['failure'] = () => undefined) {
  const said: string[] = [];
  const log: Options['log'] = (_, message) => said.push(message);
  const spool = new Spool({ directory, target: 'a', clock: systemClock, log });
  const box = new Outbox<string>({
    signal: 'traces',
    clock: systemClock,
    log,
    spool,
    kept: () => {},
    requestOf: (spans) => ({ resourceSpans: spans }),
    send,
    failure,
  });
  return { box, said, spool, put: (name: string) => box.put(name) };
}

/** Names of the spans in the spool. */
function spooled(): readonly string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => JSON.parse(readFileSync(join(directory, name), 'utf8')).resourceSpans)
    .sort();
}

test('spans that the collector rejects for ever are counted as lost, and the log says why', async () => {
  const { box, put, said } = outbox(async () => ({ rejected: 1, reason: 'too old' }));
  for (const name of ['a', 'b', 'c']) put(name);
  await box.close(1_000);
  expect(box.delivery).toEqual({ exported: 2, spooled: 0, lost: 1 });
  expect(said).toEqual(['the collector took 2 of 3 spans: too old']);
  expect(spooled()).toEqual([]);
});

test('one line says that the collector takes nothing, and one line that it takes spans again', async () => {
  const answers: (Refusal | undefined)[] = [
    { reason: 'no', retryable: false, refuses: 'every' },
    { reason: 'still no', retryable: false, refuses: 'every' },
    undefined,
    undefined,
    { reason: 'no again', retryable: false, refuses: 'every' },
  ];
  const { box, put, said } = outbox(async () => answers.shift());
  for (const done of [1, 2, 3, 4, 5]) {
    put(String(done));
    box.flush();
    await until(() => box.delivery.exported + box.delivery.spooled === done);
  }
  const spoolsAre = 'spans could not be sent and are spooled';
  expect(said).toEqual([`${spoolsAre}: no`, 'the collector takes spans again', `${spoolsAre}: no again`]);
  expect(box.delivery).toEqual({ exported: 2, spooled: 3, lost: 0 });
  await box.close(0);
});

test.each([
  ['connect ECONNREFUSED 127.0.0.1:1', 'connect ECONNREFUSED 127.0.0.1:1'],
  [undefined, 'no answer in time'],
])('a close that ends its wait logs the error of the last attempt: %s', async (failure, why) => {
  const { box, put, said } = outbox(
    () => new Promise(() => {}),
    () => failure,
  );
  for (const name of ['a', 'b', 'c']) {
    put(name);
    box.flush();
  }
  await box.close(10);
  expect(said).toEqual([`spans could not be sent and are spooled: ${why}`]);
  expect(box.delivery).toEqual({ exported: 0, spooled: 3, lost: 0 });
});

test('a span that ends while the close waits is delivered, or spooled, as the others are', async () => {
  const answered = Promise.withResolvers<undefined>();
  const { box, put } = outbox(() => answered.promise);
  put('root');
  const closing = box.close(60_000);
  put('late');
  answered.resolve(undefined);
  await closing;
  expect(box.delivery).toEqual({ exported: 1, spooled: 1, lost: 0 });
  expect(spooled()).toEqual(['late']);
});

test.each(['refused', 'not answered when the outbox closed'])(
  'a batch whose spooling has begun at the exit is spooled before the process ends: %s',
  async (why) => {
    const { box, put, spool } = outbox(() =>
      why === 'refused'
        ? Promise.resolve({ reason: 'the collector answered 500', retryable: false, refuses: 'unknown' })
        : new Promise(() => {}),
    );
    const begun = Promise.withResolvers<void>();
    spool.put = () => {
      begun.resolve();
      return new Promise(() => {});
    };
    put('a');
    if (why === 'refused') box.flush();
    else void box.close(0);
    await begun.promise;
    put('b');
    box.closeNow();
    expect(spooled()).toEqual(['a', 'b']);
    expect(box.delivery).toEqual({ exported: 0, spooled: 2, lost: 0 });
  },
);

test('a spooled batch is not sent again', async () => {
  const requests = { answered: 0, isUp: false, taken: 0 };
  const server = createServer((request, response) => {
    request.resume();
    requests.answered++;
    if (requests.isUp) requests.taken++;
    response.writeHead(requests.isUp ? 200 : 503).end();
  });
  const port = await listening(server);
  const endpoint = new URL(`http://127.0.0.1:${port}`);
  const client = new CollectorClient(
    { signal: 'traces', protocol: 'http/json', endpoint, headers: {}, compression: 'none', timeoutMs: 60_000, tls: {} },
    systemClock,
  );
  const sent = Promise.withResolvers<void>();
  const { box, put } = outbox(async (...call) => {
    const answer = await client.send(...call);
    sent.resolve();
    return answer;
  });
  put('a');
  box.flush();
  await until(() => requests.answered > 0);
  await box.close(0);
  requests.isUp = true;
  await sent.promise;
  server.close().closeAllConnections();
  expect(requests.taken).toBe(0);
  expect(spooled()).toEqual(['a']);
});
