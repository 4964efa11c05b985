import { createServer, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { template } from '../../src/cli/demo/template.ts';
import { startHttp1 } from '../support/entry/http1-load.ts';
import { listeningAt } from '../support/entry/listening-at.ts';
import { type ProxyName, serversOf, startProxy } from '../support/entry/proxies.ts';
import type { Child } from '../support/process/child.ts';
import { freePort, serverMissing } from '../support/servers/built.ts';
import { until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

/** Where the hosts are that the files of `deploy/` name. */
const HOSTS = { '10.0.0.11': '127.0.0.11', '10.0.0.12': '127.0.0.12' } as const;

/** How long a check takes, in milliseconds. */
const CHECK_MS = 100;

/** How long the check of a busy host takes, in milliseconds: longer than the checks are apart. */
const LATE_MS = 1_500;

const proxies = new Set<Child>();
const servers = new Set<Server>();
afterEach(async () => {
  await Promise.all([...proxies].map((proxy) => proxy.destroy()));
  for (const server of servers) server.close().closeAllConnections();
  proxies.clear();
  servers.clear();
});

function listen(host: string, port: number, answer: Parameters<typeof createServer>[1]): Promise<void> {
  const server = createServer(answer);
  servers.add(server);
  return new Promise((resolve) => server.listen(port, host, resolve));
}

/** A host whose checks are as they are set. */
async function startHost(host: string, application: number, control: number) {
  const checks = { status: 200, isLate: false, checked: 0, called: 0 };
  await listen(host, application, async (request, response) => {
    checks.called++;
    const body = await text(request);
    response.end(`${body.length}`);
  });
  await listen(host, control, async (_, response) => {
    checks.checked++;
    const { isLate } = checks;
    checks.isLate = false;
    await sleep(isLate ? LATE_MS : CHECK_MS);
    response.writeHead(checks.status).end();
  });
  return checks;
}

const FRONTS: readonly (readonly [ProxyName, string])[] = [
  ['caddy', 'Caddyfile'],
  ['envoy', 'envoy-front.yaml'],
  ['haproxy', 'haproxy-front.cfg'],
];

/** Two hosts behind a proxy that has seen both. */
async function startHosts(proxy: ProxyName, file: string) {
  const [application, control, port] = [await freePort(), await freePort(), await freePort()];
  const [leaving, staying] = await Promise.all(
    Object.values(HOSTS).map((host) => startHost(host, application, control)),
  );
  if (leaving === undefined || staying === undefined) throw new Error('two hosts were expected');
  const config = template(file, { ...HOSTS, '8080': `${application}`, '54199': `${control}` });
  const at = { host: '127.0.0.1', port };
  proxies.add(await startProxy(proxy, listeningAt(config, at), useScratchFolder(), at));
  await until(() => leaving.checked > 2 && staying.checked > 2, 20_000);
  return { leaving, staying, at };
}

describe('one of two hosts leaves', () => {
  for (const [proxy, file] of FRONTS) {
    const missing = serverMissing(...serversOf(proxy));
    const why = missing ? ` (${missing})` : '';
    it.skipIf(missing)(
      `${proxy}: one check of the other is late, and no request is lost${why}`,
      async () => {
        const { at, leaving, staying } = await startHosts(proxy, file);
        const load = startHttp1({ ...at, sends: 'post', clients: 8, perSecond: 10 });
        await until(() => leaving.called > 50 && staying.called > 50);
        staying.isLate = true;
        leaving.status = 503;
        const { checked } = staying;
        await until(() => staying.checked >= checked + 5, 20_000);
        const { failed, sent } = await load.stop();
        expect(failed).toEqual([]);
        expect(sent).toBeGreaterThan(200);
      },
      60_000,
    );

    it.skipIf(missing)(
      `${proxy}: requests come at the same time, and each finds the other${why}`,
      async () => {
        const { at, leaving, staying } = await startHosts(proxy, file);
        const load = startHttp1({ ...at, sends: 'post', clients: 100, perSecond: 8 });
        await until(() => leaving.called > 50 && staying.called > 50);
        leaving.status = 503;
        const { checked } = staying;
        await until(() => staying.checked >= checked + 5, 20_000);
        const { called } = leaving;
        const { failed, sent } = await load.stop();
        expect(failed).toEqual([]);
        expect(sent).toBeGreaterThan(2_000);
        expect(leaving.called).toBe(called);
      },
      60_000,
    );
  }
});
