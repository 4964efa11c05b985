import { describe, expect, test } from 'vitest';
import type { Clock } from '../../../../src/lifecycle/clock.ts';
import { systemClock } from '../../../../src/lifecycle/clock.ts';
import { openRegistry } from '../../../../src/registry/open.ts';
import type { Registry } from '../../../../src/registry/registry.ts';
import { useClosing } from '../../../support/closing.ts';
import { FakeNacos } from '../../../support/fakes/fake-nacos.ts';
import { LINES } from '../../../support/process/node-lines.ts';
import { useChildren } from '../../../support/process/use-children.ts';
import { pause, until } from '../../../support/until.ts';

const PROCESS = new URL('../../../fixtures/registry/process.ts', import.meta.url);

/** Longer than the longest call over gRPC, so that every timer of a call has fired. */
const LATER_MS = 3_500;

/** How long a connection may be quiet. */
const PROBE_MS = 10_000;

const children = useChildren();
const closing = useClosing();

const open = (nacos: FakeNacos, options = '', clock: Clock = systemClock): Promise<Registry> =>
  closing(openRegistry(new URL(`nacos://127.0.0.1:${nacos.port}${options}`), { clock, log: () => {} }));

const hostAt = (port: number): object => ({ ip: '192.0.2.1', port, healthy: true, enabled: true, weight: 1 });

describe.each(LINES)('on Node %s', (line) => {
  test.each(['drop', 'goAway'] as const)('a process outlives a connection that its Nacos ends: %s', async (end) => {
    const nacos = await closing(FakeNacos.start());
    const child = children.node(PROCESS, { line, args: [`nacos://127.0.0.1:${nacos.port}`, 'shop'] });
    child.process.stdin?.write('watch\n');
    await child.sees(/"ids":\[\]/);
    await until(() => nacos.requests.includes('SubscribeServiceRequest'));
    nacos[end]();
    await Promise.race([pause(LATER_MS), child.ended]);
    nacos.hosts = [hostAt(1)];
    await child.sees(/"ids":\["/);
    expect(child.stderr).toBe('');
  });
});

test('a GOAWAY of Nacos ends the subscriptions: lists are polled at once', async () => {
  const nacos = await closing(FakeNacos.start());
  const registry = await open(nacos, '?pollMs=50');
  await registry.watch('shop', () => {});
  await until(() => registry.capabilities.push);
  const { polls } = nacos;
  nacos.goAway();
  await until(() => !registry.capabilities.push && nacos.polls > polls + 2);
});

test('a connection with nothing to say checks the health of its server before that forgets it', async () => {
  const nacos = await closing(FakeNacos.start());
  let fire = (): void => {};
  const clock: Clock = {
    ...systemClock,
    after(ms, fn) {
      if (ms !== PROBE_MS) return systemClock.after(ms, fn);
      fire = fn;
      return { cancel: () => {} };
    },
  };
  const registry = await open(nacos, '', clock);
  await registry.watch('shop', () => {});
  await until(() => registry.capabilities.push);
  const checks = (): number => nacos.requests.filter((type) => type === 'HealthCheckRequest').length;
  for (let times = 1; times <= 2; times++) {
    const before = checks();
    fire();
    await until(() => checks() === before + 1);
  }
  nacos.answer = () => ({ resultCode: 500, message: 'connection is unregistered' });
  await until(() => {
    fire();
    return !registry.capabilities.push;
  });
});

test('a server that is slow to accept a new connection still sends its lists over that connection', async () => {
  const nacos = await closing(FakeNacos.start());
  const { answer } = nacos;
  let refusals = 0;
  nacos.answer = (request) => {
    if (request.type === 'ServerCheckRequest') return {};
    if (refusals === 10) return answer(request);
    refusals++;
    return { resultCode: 500, errorCode: 301, message: 'Connection is unregistered.' };
  };
  const registry = await open(nacos);
  const ports: (number | undefined)[] = [];
  await registry.watch('shop', (list) => ports.push(list[0]?.port));
  const { polls } = nacos;
  nacos.hosts = [hostAt(7)];
  await until(() => ports.at(-1) === 7);
  expect({ refusals, polls: nacos.polls, connections: nacos.connections }).toEqual({
    refusals: 10,
    polls,
    connections: 1,
  });
});

test('the plugin does not keep asking a server that turns every connection away', async () => {
  const nacos = await closing(FakeNacos.start());
  const registry = await open(nacos, '?pollMs=50');
  for (let n = 0; n < 5; n++) await registry.watch(`shop-${n}`, () => {});
  await until(() => registry.capabilities.push);
  nacos.push('ConnectResetRequest', { requestId: '1' });
  await until(() => !registry.capabilities.push);
  const { polls } = nacos;
  await until(() => nacos.polls > polls + 50);
  expect(nacos.connections).toBe(1);
});

test('a list that is refused by push is polled, and others keep their connection', async () => {
  const nacos = await closing(FakeNacos.start());
  nacos.answer = ({ body }) =>
    body['serviceName'] === 'refused' ? { resultCode: 403, message: 'no' } : { serviceInfo: { hosts: [] } };
  const registry = await open(nacos, '?pollMs=50');
  const ports: (number | undefined)[] = [];
  await registry.watch('shop', (list) => ports.push(list[0]?.port));
  await registry.watch('refused', () => {});
  const { polls } = nacos;
  await until(() => nacos.polls > polls + 10);
  nacos.push('NotifySubscriberRequest', { serviceInfo: { name: 'DEFAULT_GROUP@@shop', hosts: [hostAt(7)] } });
  await until(() => ports.at(-1) === 7);
  expect(nacos.connections).toBe(1);
});
