import { describe, expect, test } from 'vitest';
import { useWorld } from '../support/process/world.ts';

const world = useWorld();

/** A preload after which the wall clock of a process is `ms` ahead. */
function ahead(ms: number): string {
  const program = `const now=Date.now.bind(Date);Date.now=()=>now()+${ms};`;
  return `--import=data:text/javascript,${encodeURIComponent(program)}`;
}

const MINUTES_5 = 300_000;

describe('clocks five minutes apart', () => {
  test.each([
    ['ahead', MINUTES_5],
    ['behind', -MINUTES_5],
  ])('a provider that is %s leaves and its successor takes over: no failure, the trace is whole', async (_, ms) => {
    const { NODE_OPTIONS } = world().env('provider');
    const env = { NODE_OPTIONS: `${ahead(ms)} ${NODE_OPTIONS}`, LOSSLESS_HOLD_MS: '0' };
    const leaving = await world().service('provider', { env });
    const staying = await world().service('provider');
    const caller = await world().caller('http://provider/echo', 60);
    await world().called(leaving);
    await world().leave(leaving);
    const joining = await world().service('provider', { env });
    await world().called(staying);
    await world().leave(staying);
    for (const service of [leaving, staying]) {
      const { verdict } = await world().trace(service);
      expect(verdict).toMatchObject({ whole: true, result: 'success', orphans: 0, planned: 1, acked: 1 });
    }
    const counted = await caller.stop();
    expect(counted).toMatchObject({ failed: 0 });
    expect(counted.sent).toBeGreaterThan(20);
    await world().leave(joining);
  });

  test('with a secret, consumers refuse GoAways of such a provider, the trace says so, and no request fails', async () => {
    const { NODE_OPTIONS } = world().env('provider');
    const secret = {
      LOSSLESS_SECRET: 'one secret for all of them',
      LOSSLESS_HOLD_MS: '300',
      LOSSLESS_GRACE_PERIOD_MS: '8000',
    };
    const leaving = await world().service('provider', {
      env: { ...secret, NODE_OPTIONS: `${ahead(MINUTES_5)} ${NODE_OPTIONS}` },
    });
    await world().service('provider', { env: secret });
    const caller = await world().caller('http://provider/echo', 60, { env: secret });
    await world().called(leaving);
    await world().leave(leaving);
    const trace = await world().trace(leaving);
    expect(trace.verdict).toMatchObject({ result: 'incomplete', planned: 1, acked: 0, orphans: 0 });
    expect(caller.child.stderr).toContain('LOSSLESS_SIGNATURE_INVALID');
    expect(await caller.stop()).toMatchObject({ failed: 0 });
  });
});
