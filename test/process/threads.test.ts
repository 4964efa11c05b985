import { describe, expect, test } from 'vitest';
import { NODES, type NodeLine } from '../support/process/node-lines.ts';
import { spansOf, useWorld } from '../support/process/world.ts';

const THREADS = new URL('../fixtures/apps/threads.ts', import.meta.url);

const world = useWorld();

describe.each(Object.keys(NODES) as NodeLine[])('servers in two worker threads, on Node.js %s', (line) => {
  const told = (stderr: string): number => stderr.match(/LOSSLESS_THREAD_LISTENS/g)?.length ?? 0;

  test('cause one warning, which names the consequence', async () => {
    const child = world().children.node(THREADS, { line, args: ['threads'], env: world().env('provider') });
    await child.sees(/threads listen/);
    await child.sees(/LOSSLESS_THREAD_LISTENS/);
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(told(child.stderr)).toBe(1);
    expect(child.stderr).toMatch(/a signal cuts its requests/);
  });

  test('beside a server in the main thread: the result of its shutdown is no success', async () => {
    const service = await world().service('provider', { line, file: THREADS });
    await service.child.sees(/threads listen/);
    await world().leave(service);
    expect(told(service.child.stderr)).toBe(1);
    const trace = await world().trace(service);
    expect(trace.verdict).toMatchObject({ result: 'incomplete', whole: true });
    expect(spansOf(trace, 'offline')[0]?.isError).toBe(true);
  });

  test('that have closed are forgotten', async () => {
    const service = await world().service('provider', { line, file: THREADS });
    await service.child.sees(/threads listen/);
    service.child.say('close');
    await service.child.sees(/threads closed/);
    await world().leave(service);
    expect((await world().trace(service)).verdict.result).toBe('success');
  });
});
