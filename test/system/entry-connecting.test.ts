import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { inNetwork, networkMissing } from '../support/entry/network.ts';
import { useChildren } from '../support/process/use-children.ts';

const CONNECTING = fileURLToPath(new URL('../fixtures/entry/connecting.ts', import.meta.url));

const missing = networkMissing();
const children = useChildren();

it.skipIf(missing)(
  `clients that the kernel resets when the listeners close make a shutdown incomplete${missing ? ` (${missing})` : ''}`,
  async () => {
    const command = [process.execPath, '--disable-warning=ExperimentalWarning', CONNECTING];
    const child = children.run('unshare', inNetwork(command));
    const [, line = ''] = await child.sees(/^ended (.*)$/m, 30_000);
    const { reset, result } = JSON.parse(line);
    expect(result).toBe('incomplete');
    expect(reset).toBeGreaterThan(0);
  },
  60_000,
);
