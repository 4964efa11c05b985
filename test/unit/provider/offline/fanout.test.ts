import { getEventListeners } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { type Clock, sleep, systemClock } from '../../../../src/lifecycle/clock.ts';
import { Deadline } from '../../../../src/lifecycle/deadline.ts';
import { Journal } from '../../../../src/lifecycle/journal.ts';
import type { LifecycleRecord } from '../../../../src/lifecycle/records.ts';
import { encodeAck, encodeIdle } from '../../../../src/protocol/goaway.ts';
import { Fanout } from '../../../../src/provider/offline/fanout.ts';
import type { CallEnd } from '../../../../src/provider/offline/goaway.ts';
import { Callers } from '../../../../src/provider/traffic/callers.ts';
import { Connection } from '../../../../src/provider/traffic/connection.ts';
import type { RecentCaller } from '../../../../src/provider/traffic/recent-caller.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';
import { until } from '../../../support/until.ts';
import { useServer } from '../../../support/use-server.ts';

const callers = new Callers(systemClock);
let known = 0;

/** A recent caller whose control server is `take`. */
async function caller(take: RequestListener): Promise<RecentCaller> {
  const server = createServer(take);
  const port = await useServer(server);
  return callerAt(port);
}

function opened(into: Callers, instanceId: string, port: number, service = 'a'): RecentCaller {
  const caller = { service, instanceId, generation: 1, port };
  return into.opened(caller, { remoteAddress: '127.0.0.1' }, new Connection()).entry;
}

function callerAt(port: number): RecentCaller {
  return opened(callers, `a-${++known}`, port);
}

const ends: RequestListener = (_, response) =>
  response.end(encodeAck({ isolated: true, outstanding: 0 }) + encodeIdle({ idle: true, addresses: ['127.0.0.1:2'] }));

/** A fan-out with its own offline, and the results of its GoAways. */
function fanout(attempts = 3, clock: Clock = systemClock) {
  let refused = 0;
  const records: LifecycleRecord[] = [];
  const journal = new Journal(clock);
  journal.subscribe((record) => records.push(record));
  const ending = new AbortController();
  const subject = new Fanout({
    clock,
    signal: ending.signal,
    journal,
    deadline: new Deadline(clock, 120_000, 0),
    root: journal.start('offline').ids,
    provider: { service: 'p', instanceId: 'p-1', generation: 1, address: '' },
    isolationMs: () => 1_000,
    holdMs: 1_000,
    timeoutMs: 5_000,
    attempts,
    keys: undefined,
    tls: undefined,
    presenceOf: async () => 'listed',
    onOverflow: () => refused++,
  });
  const listeners = (): number => getEventListeners(ending.signal, 'abort').length;
  return { subject, records, refused: () => refused, end: (why: CallEnd) => ending.abort(why), listeners };
}

test('the drain ignores a consumer whose GoAway failed, and waits for one that acked and is not idle', async () => {
  const finished = Promise.withResolvers<void>();
  const busy = await caller((_, response) => {
    response.write(encodeAck({ isolated: true, outstanding: 1 }));
    void finished.promise.then(() => response.end(encodeIdle({ idle: true, addresses: ['127.0.0.1:2'] })));
  });
  const { subject } = fanout(1);
  subject.tell(busy);
  // Nothing listens on port 1.
  subject.tell(callerAt(1));
  await subject.settled();
  expect([subject.coverage, subject.progress.allIdle]).toEqual([
    { planned: 2, acked: 1, idle: 0, failed: 1, gone: 0, stranded: 0 },
    false,
  ]);
  finished.resolve();
  await until(() => subject.progress.allIdle);
});

describe('an undone fan-out', () => {
  test('writes nothing into the next one: a consumer that acked there stays told', async () => {
    const asked = Promise.withResolvers<void>();
    let hangs = true;
    const entry = await caller((request, response) => {
      if (!hangs) return void ends(request, response);
      hangs = false;
      asked.resolve();
    });
    const { subject: undone, end: undo } = fanout();
    undone.tell(entry);
    await asked.promise;
    undo('cancelled');
    callers.reset();
    const { subject: next } = fanout();
    next.tell(entry);
    await Promise.all([undone.settled(), next.settled()]);
    expect(next.coverage).toMatchObject({ planned: 1, acked: 1, failed: 0 });
    expect(undone.coverage).toMatchObject({ planned: 1, acked: 0 });
  });

  test('has cancelled its GoAways, those between two attempts too, and failed with none', async () => {
    const asked = Promise.withResolvers<void>();
    const { subject, records, end } = fanout();
    subject.tell(await caller(() => asked.resolve()));
    subject.tell(callerAt(1));
    await asked.promise;
    end('cancelled');
    await subject.settled();
    const ended = records.filter((record) => record.kind === 'ended');
    expect(ended.flatMap((record) => (record.work === 'goaway' ? [record.facts.result] : []))).toEqual([
      'cancelled',
      'cancelled',
    ]);
    expect(ended.filter((record) => record.failure !== undefined && record.work !== 'goaway.attempt')).toEqual([]);
  });

  test('sends no GoAway that still waited for a place', async () => {
    let calls = 0;
    const full = Promise.withResolvers<void>();
    const entry = await caller(() => {
      if (++calls === 256) full.resolve();
    });
    const { subject, end } = fanout();
    for (let n = 0; n < 300; n++) subject.tell(callerAt(entry.caller.port));
    await full.promise;
    end('cancelled');
    await subject.settled();
    expect(calls).toBe(256);
  });
});

test('hundreds of consumers that accept the call and do not answer delay no other one', async () => {
  const hangs = await caller(() => {});
  const { subject, end } = fanout(1);
  for (let n = 0; n < 250; n++) subject.tell(callerAt(hangs.caller.port));
  subject.tell(await caller(ends));
  for (let n = 0; n < 100; n++) subject.tell(callerAt(hangs.caller.port));
  subject.tell(await caller(ends));
  // The others have five seconds each.
  await until(() => subject.coverage.acked === 2, 4_000);
  expect(subject.coverage.failed).toBe(0);
  end('timeout');
  await subject.settled();
});

test('callers that appear during the fan-out get a GoAway, up to ten thousand in all; further ones count as failed', async () => {
  const { subject, records, refused } = fanout(0);
  const own = new Callers(systemClock, 10);
  for (let n = 0; n < 10_100; n++) {
    subject.tell(opened(own, `many-${n}`, 1));
  }
  expect(refused()).toBe(100);
  expect(subject.coverage.planned).toBe(10_000);
  await subject.settled();
  expect(subject.coverage).toMatchObject({ planned: 10_000, acked: 0, failed: 10_000 });
  expect(records.filter(({ kind }) => kind === 'ended')).toHaveLength(10_002);
});

test('a consumer that appears after all answers gets its GoAway in a further round, inside its parent spans', async () => {
  const { subject, records } = fanout();
  subject.tell(await caller(ends));
  await subject.settled();
  subject.tell(await caller(ends));
  await subject.settled();
  const at = (kind: 'started' | 'ended', work: string): readonly number[] =>
    records.filter((record) => record.kind === kind && 'work' in record && record.work === work).map(({ at }) => at);
  for (const work of ['notify.service', 'notify']) {
    expect(at('started', work)).toHaveLength(2);
    for (const n of [0, 1]) {
      expect(at('started', work)[n]).toBeLessThanOrEqual(at('started', 'goaway')[n] as number);
      expect(at('ended', work)[n]).toBeGreaterThanOrEqual(at('ended', 'goaway')[n] as number);
    }
  }
  expect(subject.coverage).toMatchObject({ planned: 2, acked: 2, idle: 2 });
});

test('the span of a service ends with its own consumers, and not with the slowest service', async () => {
  const finish = Promise.withResolvers<void>();
  const slow = await caller((request, response) => void finish.promise.then(() => ends(request, response)));
  const quick = opened(callers, 'cart-1', await useServer(createServer(ends)), 'cart');
  const { subject, records } = fanout();
  subject.tell(slow);
  subject.tell(quick);
  const services = () =>
    records.flatMap((record) => (record.kind === 'ended' && record.work === 'notify.service' ? [record.facts] : []));
  await until(() => services().length === 1);
  expect(services()).toEqual([{ planned: 1, acked: 1, gone: 0 }]);
  expect(records.some((record) => record.kind === 'ended' && record.work === 'notify')).toBe(false);
  // Another consumer of a service that is done belongs to the same round.
  subject.tell(opened(callers, 'cart-2', await useServer(createServer(ends)), 'cart'));
  await until(() => services().length === 2);
  finish.resolve();
  await subject.settled();
  expect(services()).toHaveLength(3);
  expect(records.filter((record) => record.kind === 'ended').at(-1)).toMatchObject({
    work: 'notify',
    facts: { planned: 3, acked: 3 },
  });
});

test('a consumer that could not be told is asked again while the instance is there, and its GoAway ends once', async () => {
  const server = createServer(ends);
  const port = await useServer(server);
  await new Promise((resolve) => server.close(resolve));
  const { subject, records, end } = fanout();
  subject.tell(callerAt(port));
  await subject.settled();
  expect([subject.coverage, subject.causes]).toEqual([
    { planned: 1, acked: 0, idle: 0, failed: 1, gone: 0, stranded: 0 },
    '1 ECONNREFUSED',
  ]);
  await new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve));
  await until(() => subject.coverage.acked === 1);
  await until(() => subject.progress.allIdle);
  expect([subject.coverage, subject.causes]).toEqual([
    { planned: 1, acked: 1, idle: 1, failed: 0, gone: 0, stranded: 0 },
    '',
  ]);
  end('timeout');
  await subject.ended();
  const goaways = records.filter((record) => record.kind === 'ended' && record.work === 'goaway');
  expect(goaways).toMatchObject([{ facts: { result: 'acked', attempts: 4 } }]);
});

test('a consumer that is never told has the result of its last attempt when the offline ends', async () => {
  const clock = new SimulatedClock();
  const { subject, records, end } = fanout(1, clock);
  subject.tell(callerAt(1));
  await subject.settled();
  end('timeout');
  await subject.ended();
  const goaways = records.filter((record) => record.kind === 'ended' && record.work === 'goaway');
  expect(goaways).toMatchObject([{ facts: { result: 'refused', attempts: 1 }, failure: { type: 'ECONNREFUSED' } }]);
});

describe('a consumer without a connection that acks and never reports idle', () => {
  test('delays the drain for the hold time at most', async () => {
    const { subject, end } = fanout();
    const entry = await caller((_, response) => response.write(encodeAck({ isolated: true, outstanding: 1 })));
    for (const connection of entry.connections) callers.closed(entry, connection);
    subject.tell(entry);
    await subject.settled();
    const acked = performance.now();
    await until(() => subject.progress.allIdle);
    expect(performance.now() - acked).toBeGreaterThan(900);
    expect(subject.coverage).toMatchObject({ acked: 1, idle: 0 });
    end('timeout');
  });

  test('keeps its provider when it holds one', async () => {
    const { subject, end } = fanout();
    subject.tell(await caller((_, response) => response.write(encodeAck({ isolated: true, outstanding: 1 }))));
    await subject.settled();
    await sleep(systemClock, 1_200);
    expect(subject.progress.allIdle).toBe(false);
    end('timeout');
  });
});

test('isolations are renewed, without a span, and say how long they must last', async () => {
  const simulated = new SimulatedClock();
  const asked: { readonly body: string; readonly traced: boolean }[] = [];
  const entry = await caller((request, response) => {
    void text(request).then((body) => {
      asked.push({ body, traced: request.headers['traceparent'] !== undefined });
      response.write(encodeAck({ isolated: true, outstanding: 1, others: 1 }));
    });
  });
  const { subject, records, end } = fanout(3, simulated);
  subject.tell(entry);
  await until(() => subject.coverage.acked === 1);
  const spans = records.length;
  await simulated.advance(25_000);
  await until(() => asked.length === 2);
  await until(async () => {
    await simulated.advance(5_000);
    return asked.length === 3;
  });
  expect(asked.map(({ traced }) => traced)).toEqual([true, false, false]);
  expect(asked.map(({ body }) => JSON.parse(body).expiresInMs)).toEqual([1_000, 1_000, 1_000]);
  expect(records).toHaveLength(spans);
  end('timeout');
});

test('a told consumer leaves nothing on the signal: two listeners are left, of the renewal and of all calls', async () => {
  const simulated = new SimulatedClock();
  let asked = 0;
  const entry = await caller((request, response) => {
    asked++;
    ends(request, response);
  });
  const { subject, end, listeners } = fanout(3, simulated);
  for (let n = 0; n < 50; n++) subject.tell(callerAt(entry.caller.port));
  await until(() => subject.coverage.idle === 50);
  for (let renewals = 1; renewals <= 3; renewals++) {
    await simulated.advance(25_000);
    await until(() => asked === 50 * (renewals + 1));
    // The timer of the next renewal alone is left.
    await until(() => simulated.pending === 1);
    expect(listeners()).toBe(2);
  }
  end('timeout');
  expect(listeners()).toBe(0);
});

test('an answer without a line is a failure at once', async () => {
  const { subject, records } = fanout(1);
  const begun = performance.now();
  subject.tell(await caller((_, response) => response.writeHead(200).end()));
  await subject.settled();
  expect(performance.now() - begun).toBeLessThan(2_000);
  const [ended] = records.filter((record) => record.kind === 'ended' && record.work === 'goaway');
  expect(ended).toMatchObject({ facts: { result: 'rejected' }, failure: { type: 'bad_answer' } });
});
