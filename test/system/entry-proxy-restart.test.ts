import { afterEach, describe, expect, it } from 'vitest';
import { template } from '../../src/cli/demo/template.ts';
import { startHttp1 } from '../support/entry/http1-load.ts';
import { listeningAt } from '../support/entry/listening-at.ts';
import { type ProxyName, serversOf, startProxy } from '../support/entry/proxies.ts';
import { entered } from '../support/process/announced.ts';
import type { Child } from '../support/process/child.ts';
import { useWorld } from '../support/process/world.ts';
import { freePort, serverMissing } from '../support/servers/built.ts';
import { until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const APPLICATION = new URL('../fixtures/entry/application.ts', import.meta.url);

/** Where the hosts are that the files of `deploy/` name. */
const HOSTS = { '10.0.0.11': '127.0.0.11', '10.0.0.12': '127.0.0.12' } as const;

const world = useWorld();

const proxies = new Set<Child>();
afterEach(async () => {
  await Promise.all([...proxies].map((proxy) => proxy.destroy()));
  proxies.clear();
});

describe('a proxy is killed and starts again while an instance leaves', () => {
  const FRONTS: readonly (readonly [ProxyName, string])[] = [
    ['haproxy', 'haproxy-front.cfg'],
    ['caddy', 'Caddyfile'],
    ['envoy', 'envoy-front.yaml'],
  ];
  for (const [proxy, file] of FRONTS) {
    const missing = serverMissing(...serversOf(proxy));
    it.skipIf(missing)(
      `${proxy}: it answers no request with an error${missing ? ` (${missing})` : ''}`,
      async () => {
        const [application, control, port] = [await freePort(), await freePort(), await freePort()];
        const [leaving] = await Promise.all(
          Object.values(HOSTS).map(async (host) => {
            const env = {
              LOSSLESS_CONTROL_HOST: host,
              LOSSLESS_CONTROL_PORT: `${control}`,
              LOSSLESS_KEEP_ALIVE_MS: '65000',
            };
            const child = world().children.node(APPLICATION, {
              env: world().env('provider', env),
              args: [host, application, 'http1'],
            });
            await entered(child, 'warming');
            return child;
          }),
        );
        if (leaving === undefined) throw new Error('two hosts were expected');
        const at = { host: '127.0.0.1', port };
        const config = listeningAt(template(file, { ...HOSTS, '8080': `${application}`, '54199': `${control}` }), at);
        const directory = useScratchFolder();
        const start = async (): Promise<Child> => {
          const child = await startProxy(proxy, config, directory, at);
          proxies.add(child);
          return child;
        };
        const killed = await start();
        const load = startHttp1({ ...at, sends: 'post', clients: 8, perSecond: 10 });
        await until(() => load.sent > 320);
        leaving.signal('SIGTERM');
        await entered(leaving, 'draining');
        killed.signal('SIGKILL');
        await killed.ends();
        await start();
        await leaving.ends();
        const { sent } = load;
        await until(() => load.sent > sent + 160);
        const { failed, ok } = await load.stop();
        // A killed proxy loses its open requests, and no proxy answers until the next one listens.
        expect(failed.map(({ reason }) => reason).filter((reason) => reason.startsWith('status'))).toEqual([]);
        expect(ok).toBeGreaterThan(400);
        const { verdict } = await world().trace({ child: leaving, port: application });
        expect(verdict.result).toBe('success');
      },
      60_000,
    );
  }
});
