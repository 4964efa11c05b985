import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SignalHook } from '../../../src/process/signal-hook.ts';
import { watchedGuard } from '../../support/failed-hooks.ts';
import { until } from '../../support/until.ts';

/** SIGINT of this process, as the operating system delivers it. */
const interrupt = (): void => void process.kill(process.pid, 'SIGINT');

describe('SignalHook', () => {
  const foreign = { SIGTERM: process.rawListeners('SIGTERM'), SIGINT: process.rawListeners('SIGINT') };
  const see = vi.fn(() => true);
  const { guard } = watchedGuard();
  let hook: SignalHook;

  beforeEach(() => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.removeAllListeners(signal);
    see.mockReset().mockReturnValue(true);
    hook = new SignalHook(['SIGTERM', 'SIGINT'], guard, see);
  });
  afterEach(() => {
    hook.release();
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.removeAllListeners(signal);
      for (const listener of foreign[signal]) process.on(signal, listener as () => void);
    }
  });

  test('a taken signal reaches no listener, any other signal reaches all', async () => {
    const heard = vi.fn();
    process.on('SIGINT', heard);
    hook.take();
    interrupt();
    await until(() => see.mock.calls.length === 1);
    expect(see).toHaveBeenCalledWith('SIGINT');
    expect(heard).not.toHaveBeenCalled();
    see.mockReturnValue(false);
    interrupt();
    await until(() => heard.mock.calls.length === 1);
    expect(heard).toHaveBeenCalledWith('SIGINT', 2);
  });

  test('listeners that came earlier keep their order, and once stays once', async () => {
    const heard: string[] = [];
    process.on('SIGINT', () => heard.push('first'));
    process.once('SIGINT', () => heard.push('once'));
    process.on('SIGINT', () => heard.push('last'));
    see.mockReturnValue(false);
    hook.take();
    interrupt();
    await until(() => heard.length === 3);
    interrupt();
    await until(() => heard.length === 5);
    expect(heard).toEqual(['first', 'once', 'last', 'first', 'last']);
  });

  test('a relay is a hidden listener that hears a signal when the hook passes it on', () => {
    const { listeners } = process;
    const relay = vi.fn();
    const shown = vi.fn();
    process.once('SIGTERM', relay);
    process.once('SIGTERM', shown);
    process.listeners = ((name: 'worker') => listeners.call(process, name).filter((each) => each !== relay)) as never;
    try {
      hook.take();
      hook.tellRelays('SIGTERM');
      hook.tellRelays('SIGINT');
      expect(relay.mock.calls).toEqual([['SIGTERM', 15]]);
      expect(shown).not.toHaveBeenCalled();
      expect(hook.listeners('SIGTERM')).toEqual([shown]);
      expect(hook.relays('SIGTERM')).toEqual([]);
    } finally {
      process.listeners = listeners;
    }
  });

  test('release gives the signal back to the listeners there are, and leaves none of ours', async () => {
    const heard = vi.fn();
    hook.take();
    process.on('SIGINT', heard);
    hook.release();
    expect(process.listeners('SIGINT')).toEqual([heard]);
    expect(process.listenerCount('SIGTERM')).toBe(0);
    see.mockReturnValue(false);
    interrupt();
    await until(() => heard.mock.calls.length === 1);
  });

  test('a replaced process.emit stays and is still called', async () => {
    const emitted = vi.fn();
    const original = process.emit;
    process.emit = function replaced(...args: unknown[]) {
      emitted(args[0]);
      return Reflect.apply(original, process, args);
    } as typeof process.emit;
    const replaced = process.emit;
    try {
      see.mockReturnValue(false);
      hook.take();
      expect(process.emit).toBe(replaced);
      interrupt();
      await until(() => emitted.mock.calls.some(([event]) => event === 'SIGINT'));
    } finally {
      process.emit = original;
    }
  });

  test('listeners are the application’s own', () => {
    const own = (): void => {};
    hook.take();
    process.on('SIGTERM', own);
    expect(hook.listeners('SIGTERM')).toEqual([own]);
    expect(process.listenerCount('SIGTERM')).toBe(2);
  });
});
