import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock as clock } from '../../../src/lifecycle/clock.ts';
import { Deadline } from '../../../src/lifecycle/deadline.ts';
import { Journal } from '../../../src/lifecycle/journal.ts';
import type { LifecycleRecord } from '../../../src/lifecycle/records.ts';
import { encodeAck, encodeIdle } from '../../../src/protocol/goaway.ts';
import { Callers, type RecentCaller } from '../../../src/provider/callers.ts';
import { Fanout } from '../../../src/provider/fanout.ts';
import { ATTR } from '../../../src/trace/schema.ts';
import { until } from '../../support/child.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

const callers = new Callers(clock);
let known = 0;

/** A recent caller whose control server is `take`. */
async function caller(take: RequestListener): Promise<RecentCaller> {
  const server = createServer(take).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return callerAt((server.address() as AddressInfo).port);
}

function callerAt(port: number): RecentCaller {
  return callers.opened({ service: 'a', instanceId: `a-${++known}`, generation: 1, port }, '127.0.0.1').entry;
}

const ends: RequestListener = (_, response) =>
  response.end(encodeAck({ isolated: true, outstanding: 0 }) + encodeIdle({ idle: true, addresses: [] }));

/** A fan-out of its own offline, and the results of its GoAways. */
function fanout(attempts = 3) {
  let refused = 0;
  const records: LifecycleRecord[] = [];
  const journal = new Journal(clock);
  journal.subscribe((record) => records.push(record));
  const subject = new Fanout({
    clock,
    journal,
    deadline: new Deadline(clock, 20_000, 0),
    root: journal.start('offline').ids,
    goAway: { provider: { service: 'p', instanceId: 'p-1', generation: 1, address: '' }, expiresInMs: 1_000 },
    timeoutMs: 5_000,
    attempts,
    keys: undefined,
    tls: undefined,
    hasLeft: async () => false,
    onOverflow: () => refused++,
  });
  return { subject, records, refused: () => refused };
}

test('whoever cannot be told keeps nobody waiting for an answer; whoever acked and is not idle does', async () => {
  const finished = Promise.withResolvers<void>();
  const busy = await caller((_, response) => {
    response.write(encodeAck({ isolated: true, outstanding: 1 }));
    void finished.promise.then(() => response.end(encodeIdle({ idle: true, addresses: [] })));
  });
  const { subject } = fanout(1);
  subject.tell(busy);
  // Nobody listens on port 1.
  subject.tell(callerAt(1));
  await subject.settled();
  expect([subject.coverage, subject.allIdle]).toEqual([{ planned: 2, acked: 1, idle: 0, failed: 1 }, false]);
  finished.resolve();
  await until(() => subject.allIdle);
});

describe('an undone fan-out', () => {
  test('writes nothing into the next one: whoever acked there stays told', async () => {
    const asked = Promise.withResolvers<void>();
    let hangs = true;
    const entry = await caller((request, response) => {
      if (!hangs) return void ends(request, response);
      hangs = false;
      asked.resolve();
    });
    const { subject: undone } = fanout();
    undone.tell(entry);
    await asked.promise;
    undone.end('cancelled');
    callers.reset();
    const { subject: next } = fanout();
    next.tell(entry);
    await Promise.all([undone.settled(), next.settled()]);
    expect(next.coverage).toMatchObject({ planned: 1, acked: 1, failed: 0 });
    expect(undone.coverage).toMatchObject({ planned: 1, acked: 0 });
  });

  test('has cancelled its GoAways, those between two attempts too, and failed with none', async () => {
    const asked = Promise.withResolvers<void>();
    const { subject, records } = fanout();
    subject.tell(await caller(() => asked.resolve()));
    subject.tell(callerAt(1));
    await asked.promise;
    subject.end('cancelled');
    await subject.settled();
    const ended = records.filter((record) => record.kind === 'ended');
    expect(ended.filter(({ work }) => work === 'goaway').map((record) => record.attributes[ATTR.goawayResult])).toEqual(
      ['cancelled', 'cancelled'],
    );
    expect(ended.filter((record) => record.failure !== undefined && record.work !== 'goaway.attempt')).toEqual([]);
  });

  test('calls nobody who still waited for a place', async () => {
    let calls = 0;
    const full = Promise.withResolvers<void>();
    const entry = await caller(() => {
      if (++calls === 256) full.resolve();
    });
    const { subject } = fanout();
    for (let n = 0; n < 300; n++) subject.tell(callerAt(entry.caller.port));
    await full.promise;
    subject.end('cancelled');
    await subject.settled();
    expect(calls).toBe(256);
  });
});

test('callers that appear while it runs are told up to ten thousand in all; more are counted as not told', async () => {
  const { subject, records, refused } = fanout(0);
  const own = new Callers(clock, 10);
  for (let n = 0; n < 10_100; n++) {
    const { entry } = own.opened({ service: 'a', instanceId: `many-${n}`, generation: 1, port: 1 }, '127.0.0.1');
    subject.tell(entry);
  }
  expect(refused()).toBe(100);
  expect(subject.coverage.planned).toBe(10_000);
  await subject.settled();
  expect(subject.coverage).toMatchObject({ planned: 10_000, acked: 0, failed: 10_000 });
  expect(records.filter(({ kind }) => kind === 'ended')).toHaveLength(10_002);
});
