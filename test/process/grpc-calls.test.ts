import { describe, expect, test } from 'vitest';
import type { Status } from '../../src/status.ts';
import { controlPortOf } from '../support/process/announced.ts';
import type { Child } from '../support/process/child.ts';
import { operator } from '../support/process/operator.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const SERVER = new URL('../fixtures/apps/grpc.ts', import.meta.url);
const SCENARIOS = new URL('../fixtures/grpc/scenarios.ts', import.meta.url);

const world = useWorld();

function start(env: Readonly<Record<string, string>> = {}): Promise<Service> {
  return world().service('provider', { file: SERVER, kind: 'grpc-js', env: { LOSSLESS_WARMUP_MS: '0', ...env } });
}

/** An application in one of its ways to call. */
function caller(scenario: string): Child {
  return world().children.node(SCENARIOS, {
    nodeArgs: ['--expose-gc'],
    args: [scenario],
    env: world().env('caller', { LOSSLESS_WARMUP_MS: '0' }),
  });
}

/** What came of it. */
async function told(child: Child): Promise<unknown> {
  const [, json = ''] = await child.sees(/^told (.*)$/m);
  return JSON.parse(json);
}

/** Its unfinished calls, as its plugin counts them. */
async function outstanding(child: Child): Promise<number> {
  const { body } = await operator(await controlPortOf(child), '/status');
  const { instances } = (body as unknown as Status).calls.services['provider'] ?? { instances: [] };
  return instances.reduce((sum, one) => sum + one.outstanding, 0);
}

describe('a call of grpc-js by name', () => {
  test.each([
    ['metadata', { status: 'OK', answer: 'x', headers: { authority: 'provider', echo: 'one' } }],
    ['intercepted', { status: 'OK', answer: 'x', headers: { echo: 'intercepted' } }],
    ['authority', { status: 'OK', answer: 'x', headers: { authority: 'shop.example' } }],
    ['deadline', { status: 'DEADLINE_EXCEEDED' }],
    ['cancelled', { status: 'CANCELLED' }],
    ['retried', { status: 'OK', answer: 'again' }],
    ['gathered', { status: 'OK', answer: 'one two three' }],
    ['chatted', ['one', 'two']],
    ['closed', { first: 'OK', answer: 'x' }],
    ['made and closed again and again', true],
    ['two versions', { older: 'y', newer: 'x' }],
  ])('in the scenario %s', async (scenario, expected) => {
    await start();
    await start();
    const child = caller(scenario);
    const result = await told(child);
    if (typeof expected === 'object') expect(result).toMatchObject(expected);
    else expect(result).toBe(expected);
    expect(child.stderr).not.toContain('LOSSLESS_HOOK_FAILED');
    await until(async () => (await outstanding(child)) === 0);
  });

  test('that is hedged goes to another instance than its first attempt', async () => {
    const services = [await start(), await start()];
    const child = caller('hedged');
    await child.sees(/^connected$/m);
    const before = await Promise.all(services.map((service) => world().served(service)));
    child.say('go');
    expect(await told(child)).toMatchObject({ status: 'OK', answer: 'x' });
    const after = await Promise.all(services.map((service) => world().served(service)));
    expect(after.map((served, n) => served - (before[n] ?? 0))).toEqual([1, 1]);
  });

  test('waits for the first instance when its options ask for that, and fails at once otherwise', async () => {
    const child = caller('waiting');
    await child.sees(/refused/);
    await start();
    expect(await told(child)).toMatchObject({ refused: 'UNAVAILABLE', status: 'OK', answer: 'x' });
  });

  test.each([
    ['repeating', { stream: 'OK' }],
    ['gathering', { stream: '101' }],
    ['chatting', { stream: 'OK', heard: 51 }],
  ])('%s: a stream goes on while its instance leaves, and new calls go elsewhere meanwhile', async (scenario, came) => {
    const services = [await start(), await start()];
    const child = caller(scenario);
    await child.sees(/streams/);
    let inflight: readonly number[] = [];
    await until(async () => {
      inflight = await Promise.all(services.map(inflightOf));
      return inflight.includes(1);
    });
    const [leaving, staying] = inflight[0] === 1 ? services : services.toReversed();
    if (leaving === undefined || staying === undefined) throw new Error('expected two services');
    leaving.child.signal('SIGTERM');
    await leaving.child.sees(/draining/);
    const before = await world().served(staying);
    child.say('go');
    expect(await told(child)).toEqual({ ...came, calls: ['OK'] });
    expect((await world().served(staying)) - before).toBe(50);
    await leaving.child.ends();
    const { verdict, ...trace } = await world().trace(leaving);
    expect(verdict).toMatchObject({ result: 'success', whole: true, afterAck: 0, problems: [] });
    expect(spansOf(trace, 'stop')[0]?.tags).toMatchObject({ 'lossless.stop.sockets.forced': 0 });
  });
});

async function inflightOf(service: Service): Promise<number> {
  const { body } = await operator(await world().controlPort(service), '/status');
  return (body as unknown as Status).requests.inflight;
}
