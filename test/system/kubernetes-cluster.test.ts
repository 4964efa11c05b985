import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Played } from '../kubernetes/play.ts';
import { isLossless } from '../kubernetes/report.ts';
import { clusterMissing } from '../support/kubernetes/missing.ts';
import { onControlPlane } from '../support/kubernetes/network.ts';
import { useChildren } from '../support/process/use-children.ts';

const MAIN = fileURLToPath(new URL('../kubernetes/main.ts', import.meta.url));

const missing = clusterMissing();
if (missing) console.warn(`tests of a cluster are skipped: ${missing}`);

/** Callers count on their side and never retry; a packet takes 5 ms from node to node. */
describe.skipIf(missing)(`an application in a cluster${missing ? ` (${missing})` : ''}`, () => {
  const children = useChildren();

  /** Plays the events of sets that have this in their name. */
  async function played(only: string): Promise<readonly Played[]> {
    const command = [process.execPath, '--disable-warning=ExperimentalWarning', MAIN, '--inside', '--json'];
    const child = children.run('unshare', onControlPlane([...command, '--only', only]));
    await child.ends(230_000);
    const lines = child.lines.map((line) => JSON.parse(line) as Played);
    expect(lines.length, child.stderr).toBeGreaterThan(0);
    return lines;
  }

  test('is updated, scaled down, evicted and drained without a failed request, and each trace says so', async () => {
    const events = await played('plugin, ');
    expect(events.map(({ event }) => event)).toEqual(['rolling update', 'scale-down', 'eviction', 'node drain']);
    for (const event of events) expect(isLossless(event), JSON.stringify(event)).toBe(true);
  }, 240_000);

  test('by hand without a preStop, the same update loses requests: the callers see it', async () => {
    const [update] = await played('no preStop, rolling update');
    const failed = Object.values(update?.callers ?? {}).reduce((sum, one) => sum + one.failed, 0);
    expect(failed, JSON.stringify(update)).toBeGreaterThan(0);
  }, 240_000);
});
