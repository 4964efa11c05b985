import { describe, expect, test } from 'vitest';
import { controlPortOf, entered } from '../support/process/announced.ts';
import type { Child } from '../support/process/child.ts';
import { lossless } from '../support/process/cli.ts';
import { LINES } from '../support/process/node-lines.ts';
import { operator } from '../support/process/operator.ts';
import { spansOf, useWorld } from '../support/process/world.ts';

const HARMLESS = new URL('../fixtures/apps/harmless.mjs', import.meta.url);
const APP = new URL('../fixtures/apps/own-work.mjs', import.meta.url);

const world = useWorld();

/** Starts the application with its actions. */
async function application(does: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Child> {
  const child = world().children.node(APP, { env: world().env('worker', env), args: [...does] });
  await child.sees(/ready\n/);
  if (does.includes('serve')) await entered(child, 'warming');
  return child;
}

/** The results of its handlers, by name. */
async function handlersOf(child: Child): Promise<Readonly<Record<string, unknown>>> {
  const trace = await world().trace({ child, port: 0 });
  return Object.fromEntries(
    spansOf(trace, 'handler').map(({ tags }) => [tags['lossless.handler.name'], tags['lossless.handler.result']]),
  );
}

describe.each([
  ['a service', ['serve']],
  ['a worker that serves no HTTP', []],
])('%s', (_, kind) => {
  test('waits for its tasks, and closes what they need after them', async () => {
    const child = await application([...kind, 'pool', 'queue', 'task:mail:300', 'task:mail:200']);
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    const said = child.stdout.split('\n').filter((line) => /^(pool|mail|queue|record)/.test(line));
    expect(said).toEqual([
      'pool: begun',
      'queue: 32 digits',
      'mail: over',
      'mail: over',
      'pool: closed',
      'record: stopped',
    ]);
    const trace = await world().trace({ child, port: 0 });
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true, problems: [] });
    expect(spansOf(trace, 'drain')[0]?.tags['lossless.drain.tasks.start']).toBe(2);
    expect(await handlersOf(child)).toEqual({ pool: 'done', queue: 'done' });
  });

  test('a task that does not end is named, and the result is timeout', async () => {
    const child = await application([...kind, 'task:mail:never', 'pool'], { LOSSLESS_GRACE_PERIOD_MS: '2000' });
    child.signal('SIGTERM');
    await entered(child, 'draining');
    const port = await controlPortOf(child);
    const { body } = await operator(port, '/status');
    expect(body).toMatchObject({ waitsFor: 'tasks of the application: mail', tasks: { mail: 1 } });
    expect((await lossless(['status'], world().env('worker'))).stdout).toContain('mail');
    await child.ends();
    const trace = await world().trace({ child, port: 0 });
    expect(trace.verdict.result).toBe('timeout');
    expect(spansOf(trace, 'drain')[0]?.tags['lossless.drain.tasks.left']).toBe('["mail"]');
    expect(spansOf(trace, 'drain')[0]?.message).toContain('mail');
  });

  test('a handler that does not end is named, and the result is timeout', async () => {
    const child = await application([...kind, 'hangs', 'pool'], { LOSSLESS_GRACE_PERIOD_MS: '2000' });
    child.signal('SIGTERM');
    await child.ends();
    const { verdict } = await world().trace({ child, port: 0 });
    expect(verdict.result).toBe('timeout');
    expect(await handlersOf(child)).toEqual({ hangs: 'timeout', pool: 'done' });
    expect(child.stderr).toContain('the grace period ended before these handlers of the application: hangs');
  });

  test('a handler that throws and a task that fails give one line each, and the process leaves', async () => {
    const child = await application([...kind, 'throws', 'rejects', 'forgotten', 'task:mail:10']);
    child.signal('SIGTERM');
    await child.ends();
    const { verdict } = await world().trace({ child, port: 0 });
    expect(verdict).toMatchObject({ result: 'success', problems: ['handler: no such pool'] });
    expect(await handlersOf(child)).toEqual({ throws: 'failed' });
    expect(child.stderr.match(/LOSSLESS_TASK_FAILED/g)).toHaveLength(1);
    expect(child.stdout).not.toContain('forgotten: begun');
  });

  test('a handler or a task that comes while the offline runs takes part in it', async () => {
    const child = await application([...kind, 'late', 'task:mail:300']);
    child.signal('SIGTERM');
    await child.ends();
    const said = child.stdout.split('\n').filter((line) => /^(late|mail)/.test(line));
    expect(said).toEqual(['late: begun', 'late: once more', 'late: over', 'mail: over']);
    const trace = await world().trace({ child, port: 0 });
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true, problems: [] });
    expect(spansOf(trace, 'handler')).toHaveLength(2);
  });

  test('the drain waits for ten thousand tasks, counted under a hundred names and one for the rest', async () => {
    const child = await application([...kind, 'many']);
    const { body } = await operator(await controlPortOf(child), '/status');
    expect(body).toMatchObject({ tasks: { 'job 0': 1, 'job 99': 1, others: 9_900 } });
    child.signal('SIGTERM');
    await child.ends();
    const trace = await world().trace({ child, port: 0 });
    expect(trace.verdict).toMatchObject({ result: 'success', whole: true, problems: [] });
    expect(spansOf(trace, 'drain')[0]?.tags['lossless.drain.tasks.start']).toBe(10_000);
  });

  test('a listener that fails costs one log line, and nothing else', async () => {
    const child = await application([...kind, 'pool', 'deaf']);
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(child.stderr.match(/a listener of subscribe failed: no such table/g)).toHaveLength(1);
    expect(child.stdout).toContain('record: stopped');
  });

  test('may begin its offline itself, once, and later calls do no harm', async () => {
    const child = await application([...kind, 'pool', 'api']);
    child.say('leave');
    await child.sees(/api: true\n/);
    expect(child.stdout).toContain('api: true success true false\n');
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(child.stdout).not.toContain('too late: begun');
    expect(child.stderr).toContain('too late of the application failed: gone');
  });
});

test('a listener of leaving() that throws ends the process as any listener does, and the next start says so', async () => {
  const child = await application(['serve', 'listener-throws']);
  child.signal('SIGTERM');
  expect(await child.ends()).toEqual({ code: 1, signal: null });
  expect(child.stderr).toContain('TypeError: no such listener');
  const next = await application(['serve']);
  const { verdict } = await world().trace({ child, port: 0 });
  expect(verdict.result).toBe('killed');
  next.signal('SIGTERM');
  await next.ends();
});

test('an offline does not wait for a listener of leaving() that never ends', async () => {
  const child = await application(['serve', 'listener-hangs']);
  child.signal('SIGTERM');
  expect(await child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
  const { verdict } = await world().trace({ child, port: 0 });
  expect(verdict.result).toBe('success');
});

test('an offline that is undone tells its handlers, and the next one runs them again', async () => {
  const child = await application(['serve', 'pool', 'queue', 'task:mail:1000']);
  const port = await controlPortOf(child);
  await operator(port, '/offline', { method: 'POST' });
  await entered(child, 'draining');
  await operator(port, '/online', { method: 'POST' });
  await child.sees(/draining -> starting[\s\S]*registering -> warming/);
  child.signal('SIGTERM');
  await child.ends();
  expect(child.stdout.match(/pool: begun/g)).toHaveLength(2);
  expect(child.stdout.match(/pool: closed/g)).toHaveLength(1);
});

test('a worker without a task or handler behaves as without the plugin', async () => {
  const child = await application([]);
  child.signal('SIGTERM');
  expect(await child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
  expect(child.stderr).not.toContain('offline begun');
});

/** What comes of each call where no plugin runs. */
const NOTHING = {
  online: false,
  leaving: false,
  isOneSignal: true,
  isTask: true,
  isRejection: 'no mail server',
  forgotten: 'object',
  never: 'object',
  many: 10_000,
};

describe.each(LINES)('the calls do nothing and keep no process alive, on Node.js %s', (line) => {
  test.each([
    ['without the plugin', [], () => ({})],
    ['when the plugin is off', [], () => world().env('worker', { LOSSLESS_ENABLED: 'false' })],
    ['in a worker thread beside the plugin', ['thread'], () => world().env('worker')],
  ])('%s', async (_, args, env) => {
    const child = world().children.node(HARMLESS, { line, args: [...args], env: env() });
    expect(await child.ends()).toEqual({ code: 0, signal: null });
    const said = child.stdout.trim().split('\n');
    expect(said.map((text) => JSON.parse(text))).toEqual([NOTHING, NOTHING]);
    const warnings = child.stderr.match(
      /\[LOSSLESS_TASK_FAILED\] Warning: mail of the application failed: no mail server/g,
    );
    expect(warnings).toHaveLength(4);
  });
});
