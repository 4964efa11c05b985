import { expect, test } from 'vitest';
import { Child } from '../support/process/child.ts';
import { until } from '../support/until.ts';

const FLOOD = new URL('../fixtures/apps/log-flood.ts', import.meta.url);

/** More than a pipe holds. */
const LINES = 5_000;

test('an unread standard error loses lines, counts them, and holds nothing up', async () => {
  const child = Child.node(FLOOD, { args: [LINES] });
  try {
    child.process.stderr?.pause();
    const [, ms] = await child.sees(/"ms":([\d.]+)/);
    expect(Number(ms)).toBeLessThan(1_000);
    child.process.stderr?.resume();
    // As much as a pipe holds.
    await until(() => child.stderr.length > 60_000);
    child.say('read');
    await child.ends();
    const lines = child.stderr
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { msg: string; lost?: number });
    const last = lines.at(-1);
    expect(last?.msg).toBe('read again');
    expect(last?.lost).toBeGreaterThan(0);
    expect(lines.length - 1 + (last?.lost ?? 0)).toBe(LINES);
  } finally {
    await child.destroy();
  }
});

test('a process survives a closed standard error', async () => {
  const child = Child.node(FLOOD, { args: [10] });
  try {
    child.process.stderr?.destroy();
    await child.sees(/"ms"/);
    child.say('read');
    expect((await child.ends()).code).toBe(0);
  } finally {
    await child.destroy();
  }
});
