import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { inNetwork, networkMissing } from '../support/entry/network.ts';
import { useChildren } from '../support/process/use-children.ts';

const MEASURE = fileURLToPath(new URL('../fixtures/entry/measure.ts', import.meta.url));

const missing = networkMissing();
const children = useChildren();

/** One way, in milliseconds. */
const DELAY_MS = 5;

it.skipIf(missing)(
  `far hosts are a round trip of 10 ms away, for answers and for refusals; near ones are not${missing ? ` (${missing})` : ''}`,
  async () => {
    const command = [process.execPath, '--disable-warning=ExperimentalWarning', MEASURE, `${DELAY_MS}`];
    const child = children.run('unshare', inNetwork(command));
    const [, line = ''] = await child.sees(/^measured (.*)$/m);
    const { far, near } = JSON.parse(line) as Record<
      string,
      { refused: number; answered: number; code: string; from: string }
    >;
    expect([far?.code, far?.from]).toEqual(['ECONNREFUSED', '10.0.0.10']);
    for (const took of [far?.refused, far?.answered]) {
      expect(took).toBeGreaterThanOrEqual(2 * DELAY_MS);
      expect(took).toBeLessThan(3 * DELAY_MS);
    }
    for (const took of [near?.refused, near?.answered]) expect(took).toBeLessThan(DELAY_MS);
  },
);
