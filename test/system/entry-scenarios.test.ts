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

/** Plays the one scenario with this in its name. */
async function played(name: string, shutdowns: number): Promise<Played> {
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', MAIN, '--inside', '--json'];
  const child = children.run('unshare', inNetwork([...command, '--only', name, '--shutdowns', `${shutdowns}`]));
  await child.ends(170_000);
  return (JSON.parse(child.stdout) as { played: Played }).played;
}

/** Callers without the plugin, counted at the clients, which never retry, with a round trip of 10 ms. */
describe.skipIf(missing)(
  `a release loses nothing of callers without the plugin${missing ? ` (${missing})` : ''}`,
  () => {
    test.each([
      "haproxy, check of the application's port",
      "envoy, check of the application's port",
      'nginx, static upstream, LOSSLESS_ENTRY=refuse',
      'kube-proxy, lag 3 s, 20 new connections/s',
      'pod with a native sidecar, lag 3 s, 1 new connection/s',
    ])(
      '%s',
      async (name) => {
        const { shutdowns } = await played(name, SHUTDOWNS);
        expect(shutdowns.map(({ lost, result }) => ({ lost, result }))).toEqual(
          Array.from({ length: SHUTDOWNS }, () => ({ lost: [], result: 'success' })),
        );
      },
      180_000,
    );

    test('a pod whose application hangs is killed by the kubelet, and its trace says so', async () => {
      const { shutdowns } = await played('an application that hangs', 1);
      expect(shutdowns).toMatchObject([{ result: 'killed' }]);
    }, 180_000);
  },
);
