import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Status } from '../../src/status.ts';
import { controlPortOf, entered } from '../support/process/announced.ts';
import { CLI, lossless } from '../support/process/cli.ts';
import { holdRequest } from '../support/process/held-request.ts';
import { type Service, useWorld } from '../support/process/world.ts';

const world = useWorld();

async function status(service: Pick<Service, 'child'>, ...args: string[]): Promise<string> {
  const { code, stdout } = await lossless(['status', '--port', `${await controlPortOf(service.child)}`, ...args]);
  expect(code).toBe(0);
  return stdout;
}

test('lossless status names callers, called instances with their weights, and what the instance waits for', async () => {
  const provider = await world().service('provider', { env: { LOSSLESS_WARMUP_MS: '60000' } });
  const caller = await world().caller('http://provider/echo', 50);
  const told = JSON.parse(await status(provider, '--json')) as Status;
  expect(told).toMatchObject({
    service: 'provider',
    state: 'warming',
    waitsFor: 'the end of the warm-up',
    ready: true,
    weight: 0.1,
    registry: { type: 'file', listed: true },
    consumers: { recent: 1, services: { caller: 1 }, overflowed: 0 },
  });
  const text = await status(provider);
  expect(text).toMatch(/^state +warming for \d+ s, ready$/m);
  expect(text).toMatch(/^weight +10 %$/m);
  expect(text).toMatch(/^consumers +1 recent\n +caller +1$/m);
  expect(text).toContain(`online     trace ${told.online?.traceId}`);
  expect(await status(caller)).toMatch(
    /^ +provider, list from \d+ s ago\n +127\.0\.0\.1:\d+ +100 % +\d+ outstanding$/m,
  );
  await caller.stop();
});

test('lossless status of a leaving instance names what the instance still waits for', async () => {
  const provider = await world().service('provider');
  const held = await holdRequest(provider);
  expect(await status(provider)).toMatch(/1 in flight/);
  provider.child.signal('SIGTERM');
  await entered(provider.child, 'draining');
  const text = await status(provider);
  expect(text).toMatch(/^state +draining for \d+ s, not ready$/m);
  expect(text).toMatch(/^waits for +requests in flight: 1$/m);
  expect(text).toMatch(/^offline +0 of 0 consumers acked, 0 idle, 0 failed\n +http/m);
  expect(await held.letGo()).toBe(200);
  await provider.child.ends();
});

test('lossless status survives a reader that closes its end', async () => {
  const command = world().children.node(CLI, { args: ['--help'] });
  command.process.stdout?.destroy();
  expect(await command.ends()).toEqual({ code: 0, signal: null });
  expect(command.stderr).toBe('');
});

test('lossless in a shell with the variables of a service does not come online as that service', async () => {
  const bin = join(world().directory, 'lossless');
  symlinkSync(CLI, bin);
  const args = ['collector', '--port', '0', '--query-port', '0', '--db', ':memory:'];
  const command = world().children.node(bin, { env: world().env('provider'), args });
  await command.sees(/page and queries/);
  command.signal('SIGTERM');
  expect(await command.ends()).toEqual({ code: 0, signal: null });
  expect(command.stderr).toBe('');
  expect(existsSync(join(world().directory, 'registry'))).toBe(false);
});
