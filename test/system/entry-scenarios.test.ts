import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Played } from '../entry/play.ts';
import { inNetwork, networkMissing } from '../support/entry/network.ts';
import { useChildren } from '../support/process/use-children.ts';
import { serverMissing } from '../support/servers/built.ts';

const MAIN = fileURLToPath(new URL('../entry/main.ts', import.meta.url));

const missing = networkMissing() || serverMissing('proxies', 'envoy');
const children = useChildren();

/** Shutdowns of each; `npm run entry` plays more of them, and the other scenarios. */
const SHUTDOWNS = 2;

/** Callers without the plugin, counted at the clients, which never retry, with a round trip of 10 ms. */
describe.skipIf(missing)(
  `a release loses nothing of callers without the plugin${missing ? ` (${missing})` : ''}`,
  () => {
    test.each([
      "haproxy, check of the application's port",
      "envoy, check of the application's port",
      'nginx, static upstream, LOSSLESS_ENTRY=refuse',
      'kube-proxy, lag 3 s, 20 new connections/s',
    ])(
      '%s',
      async (name) => {
        const command = [process.execPath, '--disable-warning=ExperimentalWarning', MAIN, '--inside', '--json'];
        const child = children.run('unshare', inNetwork([...command, '--only', name, '--shutdowns', `${SHUTDOWNS}`]));
        await child.ends();
        const { played } = JSON.parse(child.stdout) as { played: Played };
        expect(played.shutdowns.map(({ lost, result }) => ({ lost, result }))).toEqual(
          Array.from({ length: SHUTDOWNS }, () => ({ lost: [], result: 'success' })),
        );
      },
      180_000,
    );
  },
);
