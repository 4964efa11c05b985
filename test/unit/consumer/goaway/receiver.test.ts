import { createServer } from 'node:http';
import { describe, expect, test } from 'vitest';
import type { Consumer, GoAwayOutcome } from '../../../../src/consumer/consumer.ts';
import { createReceiver, type ReceiverOptions } from '../../../../src/consumer/goaway/receiver.ts';
import { Journal } from '../../../../src/lifecycle/journal.ts';
import type { LifecycleRecord } from '../../../../src/lifecycle/records.ts';
import type { Fields } from '../../../../src/log.ts';
import { AUDIENCE_HEADER, encodeGoAway, GOAWAY_PATH } from '../../../../src/protocol/goaway.ts';
import type { GoAway } from '../../../../src/protocol/identity.ts';
import { SIGNATURE_HEADER, sign, Verifier } from '../../../../src/protocol/signature.ts';
import type { Registry } from '../../../../src/registry/registry.ts';
import { keysOf } from '../../../support/keys.ts';
import { ask } from '../../../support/process/operator.ts';
import { SimulatedClock } from '../../../support/simulated-clock.ts';
import { useServer } from '../../../support/use-server.ts';

const KEYS = keysOf('a secret of the fleet');
const TRACEPARENT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

/** A receiver whose consumer knows only `known` at 127.0.0.1, and records the questions. */
async function start(more: Partial<ReceiverOptions> = {}) {
  const clock = new SimulatedClock();
  const isolated: GoAway[] = [];
  const took: GoAwayOutcome[] = [];
  const lines: { readonly message: string; readonly fields: Fields }[] = [];
  const records: LifecycleRecord[] = [];
  let kept = 0;
  const consumer = {
    took: (outcome: GoAwayOutcome) => took.push(outcome),
    addressesOf: () => [],
    hostsOf: ({ instanceId }: GoAway['provider']) =>
      instanceId === 'known' ? ['127.0.0.1'] : instanceId === 'far' ? ['192.0.2.7'] : undefined,
    goAway: (goAway: GoAway) => {
      isolated.push(goAway);
      return {
        outstanding: 0,
        before: [],
        idle: Promise.resolve([]),
        refreshed: Promise.resolve({ result: 'refreshed', addresses: [] }),
      };
    },
  } as unknown as Consumer;
  const journal = new Journal(clock);
  journal.subscribe((record) => records.push(record));
  const receive = createReceiver({
    consumer,
    registry: { instances: async () => [] } as unknown as Registry,
    clock,
    journal,
    log: (_, message, fields = {}) => lines.push({ message, fields }),
    self: () => ({ service: 'caller', instanceId: 'caller-1', generation: 1 }),
    about: {},
    host: 'caller.example',
    hasLeft: () => false,
    verifier: undefined,
    ...more,
  });
  const server = createServer((request, response) => void receive(request, response, { keep: () => kept++ }));
  const port = await useServer(server);
  const post = async (body: string, headers: Record<string, string> = {}) => {
    const all = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), ...headers };
    const { status, text } = await ask(port, GOAWAY_PATH, { method: 'POST', headers: all, body });
    return { status, text, code: /"code":"(\w+)"/.exec(text)?.[1] };
  };
  return { post, clock, isolated, took, lines, records, kept: () => kept };
}

/** The body of a GoAway of a known instance. */
function of(instanceId: string, { expiresInMs = 30_000, address = '127.0.0.1:1' } = {}): string {
  return encodeGoAway({ provider: { service: 'provider', instanceId, generation: 1, address }, expiresInMs });
}

describe('a GoAway of a web page is refused', () => {
  test.each([
    ['no content type', { 'content-type': '' }],
    ['text', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['a type that resembles JSON', { 'content-type': 'application/json-seq' }],
    ['text that names JSON', { 'content-type': 'text/plain; application/json' }],
  ])('%s gets 415', async (_, headers) => {
    const { post, isolated, took } = await start();
    expect(await post(of('known'), headers)).toMatchObject({ status: 415, code: 'LOSSLESS_GOAWAY_INVALID' });
    expect(isolated).toEqual([]);
    expect(took).toEqual(['invalid']);
  });

  test.each([
    ['an origin', { origin: 'http://127.0.0.1:3000' }],
    ['an opaque origin', { origin: 'null' }],
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['the same site', { 'sec-fetch-site': 'same-origin' }],
    ['a rebound name', { host: 'attacker.example:54199' }],
    ['a name like an address', { host: '127.0.0.1.attacker.example' }],
    ['a name like ours', { host: 'caller.example.attacker.example' }],
  ])('%s gets 403', async (_, headers) => {
    const { post, isolated, took } = await start();
    expect(await post(of('known'), headers)).toMatchObject({ status: 403, code: 'LOSSLESS_SENDER_FORBIDDEN' });
    expect(isolated).toEqual([]);
    expect(took).toEqual(['forbidden']);
  });

  test.each([
    { host: 'localhost' },
    { host: '127.0.0.1:54199' },
    { host: '10.1.2.3:54199' },
    { host: '[::1]:54199' },
    { host: '[fd00::2]' },
    { host: 'Caller.Example:54199' },
    { host: 'caller.example.' },
    { 'content-type': 'Application/JSON; charset=utf-8' },
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-mode': 'cors' },
  ] as Record<string, string>[])('a GoAway with %j is accepted', async (headers) => {
    const { post, isolated } = await start();
    expect((await post(of('known'), headers)).status).toBe(200);
    expect(isolated).toHaveLength(1);
  });
});

describe('what a GoAway leaves behind', () => {
  test('with a traceparent a span under it', async () => {
    const { post, records, kept } = await start();
    await post(of('known'), { traceparent: TRACEPARENT });
    expect(records).toMatchObject([
      { kind: 'started', parentSpanId: 'b'.repeat(16), ids: { traceId: 'a'.repeat(32) } },
      { kind: 'ended' },
    ]);
    expect(kept()).toBe(1);
  });

  test.each([{}, { traceparent: 'nonsense' }])('with %j: an isolation and no span', async (headers) => {
    const { post, isolated, records } = await start();
    const { status, text } = await post(of('known'), headers as Record<string, string>);
    expect({ status, text }).toEqual({
      status: 200,
      text: '{"isolated":true,"outstanding":0}\n{"idle":true,"addresses":[],"unused":true}\n',
    });
    expect(isolated).toHaveLength(1);
    expect(records).toEqual([]);
  });

  test('of an unknown service: nothing at all', async () => {
    const { post, isolated, records, lines, took, kept } = await start();
    const { status, text } = await post(of('stranger'), { traceparent: TRACEPARENT });
    expect({ status, text }).toEqual({
      status: 200,
      text: '{"isolated":true,"outstanding":0,"unused":true}\n{"idle":true,"addresses":[],"unused":true}\n',
    });
    expect({ isolated, records, lines, took }).toEqual({ isolated: [], records: [], lines: [], took: ['unused'] });
    expect(kept()).toBe(0);
  });

  test('unsigned: an isolation of a minute at most; signed: of the requested time', async () => {
    const unsigned = await start();
    for (const expiresInMs of [600_000, 60_001, 5_000]) await unsigned.post(of('known', { expiresInMs }));
    expect(unsigned.isolated.map(({ expiresInMs }) => expiresInMs)).toEqual([60_000, 60_000, 5_000]);
    const { clock } = unsigned;
    const signed = await start({ verifier: new Verifier(KEYS, 'goaway', clock) });
    const body = of('known', { expiresInMs: 600_000 });
    await signed.post(body, { [SIGNATURE_HEADER]: sign(KEYS, 'goaway', 'caller-1', body, clock.wall()) });
    expect(signed.isolated.map(({ expiresInMs }) => expiresInMs)).toEqual([600_000]);
  });
});

describe('the recipient of a GoAway', () => {
  test.each([
    ['its own consumer', {}],
    ['another consumer, as behind a proxy', { [AUDIENCE_HEADER]: 'somebody-else' }],
  ])('a GoAway of this very instance to %s gets 421', async (_, headers) => {
    for (const hasLeft of [false, true]) {
      const { post, isolated, took, records } = await start({ hasLeft: () => hasLeft });
      expect(await post(of('caller-1'), { traceparent: TRACEPARENT, ...(headers as object) })).toMatchObject({
        status: 421,
        code: 'LOSSLESS_GOAWAY_SELF',
      });
      expect({ isolated, took, records }).toEqual({ isolated: [], took: ['self'], records: [] });
    }
  });

  test('only the sender of a signed GoAway learns that', async () => {
    const clock = new SimulatedClock();
    const { post } = await start({ verifier: new Verifier(KEYS, 'goaway', clock) });
    const body = of('caller-1');
    expect((await post(body)).status).toBe(403);
    const headers = {
      [AUDIENCE_HEADER]: 'somebody-else',
      [SIGNATURE_HEADER]: sign(KEYS, 'goaway', 'somebody-else', body, clock.wall()),
    };
    expect((await post(body, headers)).status).toBe(421);
  });

  test('a GoAway for another process gets 410, which names neither process', async () => {
    const { post, lines } = await start();
    const { status, text } = await post(of('known'), { [AUDIENCE_HEADER]: 'somebody-else' });
    expect(status).toBe(410);
    expect(`${text}${JSON.stringify(lines)}`).not.toMatch(/caller-1|somebody-else/);
  });

  test('with a secret a GoAway for another process gets 410 when it is signed, and 403 otherwise', async () => {
    const clock = new SimulatedClock();
    const { post } = await start({ verifier: new Verifier(KEYS, 'goaway', clock) });
    const body = of('known');
    const meant = { [AUDIENCE_HEADER]: 'somebody-else' };
    expect((await post(body, meant)).status).toBe(403);
    const forOurselves = { [SIGNATURE_HEADER]: sign(KEYS, 'goaway', 'caller-1', body, clock.wall()) };
    expect((await post(body, { ...meant, ...forOurselves })).status).toBe(403);
    const forThem = { [SIGNATURE_HEADER]: sign(KEYS, 'goaway', 'somebody-else', body, clock.wall()) };
    expect((await post(body, { ...meant, ...forThem })).status).toBe(410);
  });
});

describe('a refusal is logged', () => {
  test('once a second for each reason, with a count of the rest', async () => {
    const { post, clock, lines } = await start();
    for (let n = 0; n < 20; n++) await post(of('far'));
    for (let n = 0; n < 5; n++) await post('nonsense');
    expect(lines.map(({ fields }) => fields)).toEqual([
      { code: 'LOSSLESS_SENDER_FORBIDDEN' },
      { code: 'LOSSLESS_GOAWAY_INVALID' },
    ]);
    await clock.advance(1_000);
    expect(lines.slice(2).map(({ fields }) => fields)).toEqual([
      { code: 'LOSSLESS_SENDER_FORBIDDEN', left_out: 18 },
      { code: 'LOSSLESS_GOAWAY_INVALID', left_out: 3 },
    ]);
    await clock.advance(10_000);
    expect(lines).toHaveLength(4);
    await post(of('far'));
    expect(lines).toHaveLength(5);
  });

  test('with little of the text of the sender, in the log and in the answer', async () => {
    const { post, lines } = await start();
    const long = 'x'.repeat(128);
    const headers = { [AUDIENCE_HEADER]: long.repeat(50), traceparent: TRACEPARENT };
    const texts = [
      await post(of('far', { address: long })),
      await post(of(long, { address: long }), headers),
      await post(`{"${long}":1}`, headers),
      await post(of('known'), { host: `${long}.example` }),
      await post(of('known'), { 'content-type': long }),
    ].map(({ text }) => text);
    for (const text of [...texts, ...lines.map((line) => JSON.stringify(line))]) expect(text).not.toMatch(/x{81}/);
    expect(lines.every(({ fields }) => fields.ids === undefined)).toBe(true);
  });
});
