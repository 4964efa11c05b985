import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { RULES } from '../../src/cli/conformance/rules.ts';
import { systemClock } from '../../src/lifecycle/clock.ts';
import { encodeAck, encodeIdle } from '../../src/protocol/goaway.ts';
import { encodeConsumer } from '../../src/protocol/header.ts';
import { openRegistry } from '../../src/registry/open.ts';
import { anInstance } from '../support/an-instance.ts';
import type { Child } from '../support/process/child.ts';
import { lossless, type Outcome } from '../support/process/cli.ts';
import { useWorld } from '../support/process/world.ts';
import { useServer } from '../support/use-server.ts';

const CALLER = new URL('../fixtures/apps/caller.ts', import.meta.url);
const REGISTERED = new URL('../fixtures/registry/registered.ts', import.meta.url);
const PYTHON = fileURLToPath(new URL('../fixtures/conformance', import.meta.url));

const SERVICE = 'conformance';
const SECRET = 'a secret of both languages';

const world = useWorld();

type Side = 'consumer' | 'provider';
type Env = Readonly<Record<string, string>>;

/** The programs under test: this package in a process of its own, and the program in Python. */
const SUBJECTS: Readonly<Record<string, (side: Side, env: Env) => Promise<Child>>> = {
  'this package': async (side, env) => {
    const pluginEnv = world().env(side === 'consumer' ? 'caller' : SERVICE, env);
    if (side === 'provider') return (await world().service(SERVICE, { env })).child;
    return world().children.node(CALLER, { env: pluginEnv, args: [`http://${SERVICE}/`, '50', 'http'] });
  },
  'a program in Python': async (side, env) => {
    const directory = fileURLToPath(world().registryUrl);
    const child = world().children.run('python3', ['-B', join(PYTHON, `${side}.py`), directory, SERVICE], { env });
    await child.sees(/consumes|provides/);
    return child;
  },
};

/** Runs the command against a subject and returns what the command prints. */
async function tried(side: Side, subject: string, env: Env): Promise<Outcome> {
  const child = await SUBJECTS[subject]?.(side, env);
  const pid = side === 'provider' ? ['--pid', String(child?.pid)] : [];
  return lossless(['conformance', side, '--service', SERVICE, ...pid], {
    LOSSLESS_REGISTRY: world().registryUrl,
    ...env,
  });
}

describe.each(Object.keys(SUBJECTS))('%s', (subject) => {
  test.each([
    ['consumer', 'with', { LOSSLESS_SECRET: SECRET }],
    ['consumer', 'without', {}],
    ['provider', 'with', { LOSSLESS_SECRET: SECRET }],
    ['provider', 'without', {}],
  ] satisfies [Side, string, Env][])('keeps the rules of a %s, %s a secret', async (side, _, env) => {
    const { code, stdout } = await tried(side, subject, env);
    const lines = stdout.trim().split('\n');
    expect(lines.filter((line) => line.startsWith('broken'))).toEqual([]);
    expect(lines.at(-1)).toBe('every tested rule holds');
    expect(lines).toHaveLength(Object.values(RULES).filter((rule) => rule.of === side).length + 1);
    expect(code).toBe(0);
  });
});

describe('the command finds the broken rules', () => {
  /** The broken rules, as the command prints them. */
  const broken = ({ stdout }: Outcome) => [...stdout.matchAll(/^broken +(\w+)/gm)].map(([, id]) => id);

  test('of a consumer that acks and goes on calling', async () => {
    const lines = encodeAck({ isolated: true, outstanding: 0 }) + encodeIdle({ idle: true, addresses: [] });
    const control = createServer((_, response) => response.end(lines));
    const port = await useServer(control);
    const registry = await openRegistry(new URL(world().registryUrl), { clock: systemClock, log: () => {} });
    const headers = {
      'lossless-consumer': encodeConsumer({ service: 'deaf', instanceId: 'deaf', generation: 1, port }),
    };
    const timer = setInterval(async () => {
      for (const { host, port: at } of await registry.instances(SERVICE))
        fetch(`http://${host}:${at}/`, { method: 'POST', body: 'x', headers }).catch(() => {});
    }, 20);
    const outcome = await lossless(['conformance', 'consumer'], { LOSSLESS_REGISTRY: world().registryUrl });
    clearInterval(timer);
    await registry.close();
    expect(broken(outcome)).toEqual(['C2', 'C3', 'C4', 'C5', 'C7', 'C8', 'C10', 'C13']);
    expect(outcome.code).toBe(1);
  });

  test('of a provider that sends no GoAway', async () => {
    const server = createServer((request, response) => void request.pipe(response));
    const instance = anInstance({ service: SERVICE, port: await useServer(server) });
    const registered = world().children.node(REGISTERED, { args: [world().registryUrl, JSON.stringify(instance)] });
    await registered.sees(/registered/);
    const args = ['conformance', 'provider', '--wait', '1000', '--pid', String(registered.pid)];
    const outcome = await lossless(args, { LOSSLESS_REGISTRY: world().registryUrl });
    expect(broken(outcome)).toEqual(['P2', 'P3', 'P5', 'P6', 'P10']);
    expect(outcome.code).toBe(1);
  });
});
