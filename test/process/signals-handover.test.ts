import { describe, expect, test } from 'vitest';
import type { Child, Ending } from '../support/process/child.ts';
import { LINES } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';
import { pause } from '../support/until.ts';

const SERVICE = new URL('../fixtures/signals/service.ts', import.meta.url);

const killed = (signal: NodeJS.Signals): Ending => ({ code: null, signal });
const exited = (code: number): Ending => ({ code, signal: null });

/** The application, its output after the offline, and the end of the process. */
const CASES: readonly [application: string, says: readonly string[], ending: Ending][] = [
  ['none', [], killed('SIGTERM')],
  ['none-but-leaks', [], killed('SIGTERM')],
  ['early', ['heard SIGTERM 15'], exited(0)],
  ['late', ['heard SIGTERM 15'], exited(0)],
  ['exits-7', ['heard SIGTERM 15'], exited(7)],
  ['late-prepend', ['heard SIGTERM 15'], exited(4)],
  ['once', ['heard SIGTERM 15'], exited(143)],
  ['two', ['first SIGTERM', 'heard SIGTERM 15'], exited(5)],
  ['re-added', ['heard SIGTERM 15'], exited(6)],
  ['removed-all', [], killed('SIGTERM')],
  ['closes-naturally', ['heard SIGTERM 15'], exited(0)],
  ['sets-exit-code', [], exited(9)],
  ['keeps-running', ['heard SIGTERM 15'], exited(143)],
  ['throws', ['uncaughtException from the handler'], exited(3)],
  ['worker-thread', [], killed('SIGTERM')],
  ['signal-exit', ['signal-exit null SIGTERM'], killed('SIGTERM')],
  ['signal-exit-late', ['signal-exit null SIGTERM'], killed('SIGTERM')],
];

const afterReady = (child: Child): readonly string[] => child.lines.slice(child.lines.indexOf('ready') + 1);

describe.each(LINES)('on Node.js %s', (line) => {
  const children = useChildren();

  const start = async (...args: string[]): Promise<Child> => {
    const child = children.node(SERVICE, { line, args });
    await child.sees(/^ready$/m);
    return child;
  };

  test.each(CASES)('application %s: the offline first, then %j', async (application, says, ending) => {
    const child = await start(application, '0', '100');
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual(ending);
    expect(afterReady(child)).toEqual(['offline begun SIGTERM', 'offline ended true', ...says]);
    expect(child.stderr).toBe('');
  });

  test('SIGINT is taken in the same way', async () => {
    const child = await start('none');
    child.signal('SIGINT');
    expect(await child.ends()).toEqual(killed('SIGINT'));
    expect(afterReady(child)).toEqual(['offline begun SIGINT', 'offline ended true']);
  });

  test('no patch lasts: process.emit is the original', async () => {
    const child = await start('late');
    expect(child.lines).toContain('emit is pristine');
  });

  test('handlers that leave the process running get until the deadline, and at least one second', async () => {
    const child = await start('keeps-running', '1600', '0');
    child.signal('SIGTERM');
    await child.sees(/^heard/m);
    const since = performance.now();
    expect(await child.ends()).toEqual(exited(143));
    expect(performance.now() - since).toBeGreaterThan(1_400);
  });

  test('an error of a listener of exit ends the process at the deadline too', async () => {
    const child = await start('throws-at-exit', '0', '0');
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual(exited(143));
    expect(child.stderr).toContain('from the end');
  });

  test.each([
    ['spoiled', [], killed('SIGTERM')],
    ['spoiled-with-handler', ['heard SIGTERM 15'], exited(0)],
  ])('application %s: when the hook fails, a signal acts as without the plugin', async (application, says, ending) => {
    const child = await start(application);
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual(ending);
    expect(afterReady(child)).toEqual([expect.stringMatching(/^log error a signal: .* spoiled$/), ...says]);
    expect(child.stderr).toBe('');
  });

  describe('a second signal while the offline runs', () => {
    const offlineMs = '60000';

    test.each([
      ['SIGTERM', 'SIGINT'],
      ['SIGINT', 'SIGTERM'],
    ] as const)('%s, then %s: the default action at once', async (first, second) => {
      const child = await start('none', '0', offlineMs);
      child.signal(first);
      await child.sees(/offline begun/);
      child.signal(second);
      expect(await child.ends()).toEqual(killed(second));
      expect(afterReady(child)).toEqual([
        `offline begun ${first}`,
        `log warn ${second} while the offline runs: handed over at once`,
      ]);
    });

    test('the same one again, no echo: to the handlers at once', async () => {
      const child = await start('early', '0', offlineMs);
      child.signal('SIGTERM');
      await child.sees(/offline begun/);
      await pause(100);
      child.signal('SIGTERM');
      expect(await child.ends()).toEqual(exited(0));
      expect(afterReady(child).at(-1)).toBe('heard SIGTERM 15');
    });

    test('the same one in the same moment is an echo: a terminal and npm both send it', async () => {
      const child = await start('echoed');
      child.signal('SIGINT');
      expect(await child.ends()).toEqual(exited(0));
      expect(afterReady(child)).toEqual(['offline begun SIGINT', 'offline ended true', 'heard SIGINT 2']);
    });
  });

  test('before it serves HTTP a process keeps the default action', async () => {
    const child = await start('unarmed');
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual(killed('SIGTERM'));
    expect(afterReady(child)).toEqual([]);
  });

  test('disarmed signals go to the application only', async () => {
    const child = await start('disarmed');
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual(exited(2));
    expect(afterReady(child)).toEqual(['heard SIGTERM 15']);
  });

  test('when the plugin gives signals back during an offline, it hands over the one that began the offline', async () => {
    const child = await start('disarmed-while-leaving', '0', '60000');
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual(exited(2));
    expect(afterReady(child)).toEqual(['offline begun SIGTERM', 'heard SIGTERM 15']);
  });

  test('an emit by the application itself does not count as a signal', async () => {
    const child = await start('emits-itself');
    expect(child.lines[0]).toBe('heard ');
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual(exited(0));
    expect(afterReady(child)).toEqual(['offline begun SIGTERM', 'offline ended true', 'heard SIGTERM 15']);
  });

  test('an undone offline arms again', async () => {
    const child = await start('undone');
    child.signal('SIGTERM');
    await child.sees(/offline ended false/);
    child.signal('SIGTERM');
    expect(await child.ends()).toEqual(killed('SIGTERM'));
    expect(afterReady(child)).toEqual([
      'offline begun SIGTERM',
      'offline ended false',
      'offline begun SIGTERM',
      'offline ended true',
    ]);
  });

  test.each([
    ['finish', [], exited(0)],
    ['finish-with-handler', ['heard SIGTERM 15'], exited(8)],
  ] as const)('%s: an offline without a signal ends the process too', async (application, says, ending) => {
    const child = await start(application);
    expect(await child.ends()).toEqual(ending);
    expect(afterReady(child)).toEqual(says);
  });
});
