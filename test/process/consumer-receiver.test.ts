import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { AUDIENCE_HEADER } from '../../src/protocol/goaway.ts';
import { sign } from '../../src/protocol/signature.ts';
import { bodyOf, post } from '../fixtures/consumer/goaway.ts';
import { keysOf } from '../support/keys.ts';
import { ConsumerApp } from '../support/process/consumer-app.ts';
import { PlainProvider } from '../support/process/plain-provider.ts';
import { until } from '../support/until.ts';

const URL_B = 'http://service-b/';
const SECRET = 'a secret of the fleet';
const children: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop()));
});

async function setUp(
  env: Readonly<Record<string, string>> = {},
  some: object = {},
): Promise<{ app: ConsumerApp; one: PlainProvider; two: PlainProvider }> {
  const [one, two] = [await PlainProvider.start('b1', some), await PlainProvider.start('b2', some)];
  const app = await ConsumerApp.start({ 'service-b': [one.instance, two.instance] }, { env });
  children.push(app, one, two);
  await app.run('fetch', { url: URL_B }).catch(() => {});
  return { app, one, two };
}

describe('the span of a refresh', () => {
  test('is a child of the GoAway, and names the instance that left, the addresses before and after, and the result', async () => {
    const { app, one, two } = await setUp();
    app.list({ 'service-b': [two.instance] }, { 'service-b': [two.instance] });
    const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
    await (await post(app.port, bodyOf(one.instance), { traceparent: `00-${traceId}-${spanId}-01` })).line();
    await until(() => app.records.length === 2);
    const [started, ended] = app.records;
    expect(started).toMatchObject({
      kind: 'started',
      work: 'consumer.refresh',
      parentSpanId: spanId,
      remoteParent: true,
      ids: { traceId },
    });
    expect(started?.facts).toEqual({
      providerService: 'service-b',
      providerInstanceId: 'b1',
      providerGeneration: 1,
      providerAddress: `127.0.0.1:${one.instance.port}`,
      addressesBefore: [`127.0.0.1:${two.instance.port}`],
      addressCountBefore: 1,
      isolated: true,
    });
    expect(ended?.facts).toEqual({
      result: 'refreshed',
      addresses: [`127.0.0.1:${two.instance.port}`],
      addressCount: 1,
    });
  });

  test('ends before the instance is idle; the result is stale while the registry still lists the instance', async () => {
    const { app, one, two } = await setUp();
    app.list({ 'service-b': [one.instance] });
    const held = app.run('fetch', { url: `${URL_B}slow` });
    await until(() => one.held === 1);
    app.list({ 'service-b': [one.instance, two.instance] });
    const answer = await post(app.port, bodyOf(one.instance));
    expect(await answer.line()).toMatchObject({ isolated: true, outstanding: 1 });
    await until(() => app.records.length === 2);
    expect(app.records[1]?.facts).toMatchObject({
      result: 'stale',
      addressCount: 1,
    });
    await one.tell('release');
    await held;
    expect(await answer.line()).toMatchObject({ idle: true });
  });

  test('a GoAway of a service that this process never called has none, and the answer says so', async () => {
    const { app, one } = await setUp();
    const answer = await post(app.port, bodyOf({ ...one.instance, service: 'service-c' }));
    expect(await answer.line()).toEqual({ isolated: true, outstanding: 0, unused: true });
    expect(await answer.line()).toEqual({ idle: true, addresses: [], unused: true });
    expect(app.records).toEqual([]);
    expect(await app.run('status')).toMatchObject({ isolated: 0, goAways: { unused: 1, isolated: 0 } });
  });
});

describe('who may send a GoAway', () => {
  const share = async (app: ConsumerApp): Promise<number> =>
    Object.keys((await app.run<{ by: object }>('many', { url: URL_B, count: 40 })).by).length;

  test('a malformed GoAway gets 400, an oversized one 413, and neither isolates an instance', async () => {
    const { app } = await setUp();
    const malformed = await post(app.port, '{"provider":{}}');
    expect(malformed.status).toBe(400);
    expect(await malformed.line()).toMatchObject({ code: 'LOSSLESS_GOAWAY_INVALID' });
    const oversized = await post(app.port, 'x'.repeat(100_000));
    expect(oversized.status).toBe(413);
    expect(await share(app)).toBe(2);
    expect(app.records).toEqual([]);
    expect(await app.run('status')).toMatchObject({
      goAways: { isolated: 0, unused: 0, invalid: 2, forbidden: 0, gone: 0 },
    });
  });

  test('without a secret: only the address under which the registry lists the instance, or did until just now', async () => {
    const { app, one, two } = await setUp();
    app.list({ 'service-b': [{ ...one.instance, instanceId: 'far', host: '192.0.2.1' }, one.instance, two.instance] });
    const forged = await post(app.port, bodyOf({ ...one.instance, instanceId: 'far' }));
    expect(forged.status).toBe(403);
    expect(await forged.line()).toMatchObject({ code: 'LOSSLESS_SENDER_FORBIDDEN' });
    expect((await post(app.port, bodyOf({ ...one.instance, instanceId: 'nobody' }))).status).toBe(403);
    app.list({ 'service-b': [two.instance] });
    expect((await post(app.port, bodyOf(one.instance))).status).toBe(200);
  });

  test('R34: a GoAway for a process that has exited gets 410', async () => {
    const { app, one } = await setUp();
    expect((await post(app.port, bodyOf(one.instance), { [AUDIENCE_HEADER]: 'consumer-0' })).status).toBe(410);
    expect(await share(app)).toBe(2);
    expect((await post(app.port, bodyOf(one.instance), { [AUDIENCE_HEADER]: 'consumer-1' })).status).toBe(200);
  });

  test('without a secret: also the addresses of a registered host name', async () => {
    const { app, one } = await setUp({}, { host: 'localhost' });
    expect((await post(app.port, bodyOf(one.instance))).status).toBe(200);
  });

  test('with a secret: only the sender of a fresh signature for this consumer', async () => {
    const { app, one } = await setUp({ FIXTURE_SECRET: SECRET });
    const body = bodyOf(one.instance);
    const signature = (audience: string, secret = SECRET): Record<string, string> => ({
      'lossless-signature': sign(keysOf(secret), 'goaway', audience, body, Date.now()),
    });
    for (const headers of [{}, signature('consumer-1', 'another'), signature('consumer-2')]) {
      const refused = await post(app.port, body, headers);
      expect(refused.status).toBe(403);
      expect(await refused.line()).toMatchObject({ code: 'LOSSLESS_SIGNATURE_INVALID' });
    }
    const good = signature('consumer-1');
    expect((await post(app.port, body, good)).status).toBe(200);
    expect((await post(app.port, body, good)).status).toBe(403);
  });
});

test('the second line waits for another instance to call', async () => {
  const { app, one, two } = await setUp();
  app.list({ 'service-b': [one.instance] });
  const answer = await post(app.port, bodyOf(one.instance));
  expect(await answer.line()).toEqual({ isolated: true, outstanding: 0, others: 0 });
  const second = answer.line();
  expect(await app.run<{ instanceId: string }>('fetch', { url: URL_B })).toMatchObject({ instanceId: 'b1' });
  expect(await Promise.race([second, 'nothing yet'])).toBe('nothing yet');
  app.list({ 'service-b': [two.instance] });
  expect(await second).toEqual({ idle: true, addresses: [`127.0.0.1:${two.instance.port}`] });
});

test('a GoAway that comes a hundred times is acked a hundred times', async () => {
  const { app, one } = await setUp();
  for (let n = 0; n < 100; n++)
    expect(await (await post(app.port, bodyOf(one.instance))).line()).toMatchObject({ isolated: true });
});

describe('a connection that the plugin cannot move', () => {
  test.each(['upgrade', 'undiciUpgrade'])('%s holds the second line back until it closes', async (client) => {
    const { app, one, two } = await setUp();
    app.list({ 'service-b': [one.instance] });
    expect(await app.run(client, { url: URL_B })).toBe('upgraded');
    app.list({ 'service-b': [one.instance, two.instance] });
    const answer = await post(app.port, bodyOf(one.instance));
    expect(await answer.line()).toMatchObject({ isolated: true, outstanding: 1 });
    const idle = answer.line();
    await app.run('hangUp');
    expect(await idle).toMatchObject({ idle: true });
  });
});
