import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { useChildren } from '../support/process/use-children.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const MAIN = fileURLToPath(new URL('../soak/main.ts', import.meta.url));

/** Longest time of one run, in milliseconds. */
const LONGEST_MS = 90_000;

const children = useChildren();
const folder = useScratchFolder();

/** Keeps 80 kB and a descriptor more each 50 ms. */
const LEAK = `data:text/javascript,${encodeURIComponent(
  "import { openSync } from 'node:fs'; const kept = []; setInterval(() => kept.push(new Array(10_000).fill(0), openSync('/dev/null')), 50).unref();",
)}`;

/** Plays a quarter of a minute. */
async function soak(...args: readonly string[]): Promise<{ readonly code: number | null; readonly text: string }> {
  const child = children.node(MAIN, {
    args: ['--minutes', '0.25', '--rate', '60', '--seed', '2', ...args],
    env: { TMPDIR: folder },
  });
  const { code } = await child.ends(LONGEST_MS);
  return { code, text: `${child.stdout}${child.stderr}` };
}

/** The facts of a line of the table: the number seen, and whether the rule failed. */
function row(text: string, what: string): string {
  return new RegExp(`^ *${what}  +(.*)$`, 'm').exec(text)?.[1] ?? 'no such row';
}

test('releases with chaos cost no request, lose no trace and grow nothing; nothing is left behind', async () => {
  const { code, text } = await soak();
  expect(text).not.toContain('FAILED');
  expect(code, text).toBe(0);
  expect(Number.parseInt(row(text, 'requests of callers'), 10)).toBeGreaterThan(300);
  expect(Number.parseInt(row(text, 'graceful shutdowns'), 10)).toBeGreaterThan(1);
  expect(row(text, 'caller-http heap')).toMatch(/^\d+\.\d → \d+\.\d MiB/);
});

test('the judge finds a fleet that ends at SIGTERM and leaks, and keeps what repeats the run', async () => {
  const { code, text } = await soak('--env', 'LOSSLESS_SIGNALS=SIGINT', '--env', `NODE_OPTIONS=--import=${LEAK}`);
  expect(code, text).toBe(1);
  for (const what of [
    'that nothing explains',
    'that ended badly',
    'that miss spans in silence',
    'caller-http heap',
    'caller-http descriptors',
    'stock-1 heap',
  ])
    expect(row(text, what), what).toContain('FAILED');
  const [, kept = '', command = ''] = /kept in (\S+); to repeat it: (.*)/.exec(text) ?? [];
  expect(command).toMatch(/^npm run soak -- --seed 2 --from \d+ --steps 5$/);
  for (const name of ['plan.json', 'failures.json', 'traces.sqlite', 'logs/caller-http.log'])
    expect(existsSync(join(kept, name)), name).toBe(true);
  const [failure] = JSON.parse(readFileSync(join(kept, 'failures.json'), 'utf8')) as readonly object[];
  expect(failure).toMatchObject({ caller: expect.any(String), port: expect.any(Number), step: expect.any(Number) });
}, 120_000);
