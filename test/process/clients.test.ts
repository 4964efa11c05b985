import { beforeAll, expect, test } from 'vitest';
import type { Verdict } from '../../src/trace/model/verdict.ts';
import { COVERAGE } from '../support/coverage.ts';
import { embeddedCollector } from '../support/embedded-collector.ts';
import { newChildren } from '../support/process/use-children.ts';
import { type Counted, World } from '../support/process/world.ts';

const CLIENTS = new URL('../fixtures/apps/clients.ts', import.meta.url);
const FRAMEWORKS = new URL('../fixtures/apps/frameworks.ts', import.meta.url);

/** Requests of each client in a second. */
const RATE = 10;

const names = COVERAGE.filter(({ test: [file] }) => file === 'clients.test.ts').map(({ name }) => name);

let counts: Readonly<Record<string, Counted>> = {};
let verdicts: readonly Verdict[] = [];
let logs = '';

/** One process makes all calls at once: to two instances of each service, one of which leaves. */
beforeAll(async () => {
  const world = new World(newChildren(), await embeddedCollector());
  try {
    const options = { file: FRAMEWORKS, kind: 'socket.io', env: { LOSSLESS_WARMUP_MS: '0' } };
    const h2 = { kind: 'h2c', env: options.env };
    const [leaving, first, second] = await Promise.all([
      world.service('provider', options),
      world.service('provider-h2', h2),
      world.service('provider-h2', h2),
      world.service('provider', options),
    ]);
    const caller = world.children.node(CLIENTS, { env: world.env('caller'), args: ['provider', RATE, ...names] });
    await caller.sees(/answered/);
    // A session of HTTP/2 leads to one instance: that one leaves. The other one has had a question of the plugin's own, for gRPC.
    const [byFirst, bySecond] = await Promise.all([first, second].map((service) => world.served(service)));
    const leavingH2 = Number(byFirst) > Number(bySecond) ? first : second;
    await Promise.all([leaving, leavingH2].map((service) => world.leave(service)));
    const traces = await Promise.all([leaving, leavingH2].map((service) => world.trace(service)));
    verdicts = traces.map(({ verdict }) => verdict);
    caller.say('stop');
    const [, counted = ''] = await caller.sees(/counted (.*)\n/);
    counts = JSON.parse(counted);
    logs = caller.stderr;
  } finally {
    await world.close();
  }
});

test.each(names)('%s loses no request while one of two instances leaves', (name) => {
  expect(counts[name]).toEqual({ sent: expect.any(Number), failed: 0, reasons: {} });
  expect(counts[name]?.sent).toBeGreaterThan(5);
});

test('the caller reports that it is idle, and stops calling the instance', () => {
  const right = { result: 'success', whole: true, planned: 1, acked: 1, afterAck: 0, problems: [] };
  expect(verdicts).toMatchObject([right, right]);
  expect(logs).not.toMatch(/LOSSLESS_(HOOK_FAILED|DISPATCHER)/);
});
