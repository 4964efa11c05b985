import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { useAsking } from '../support/entry/use-asking.ts';
import { appPortOf, entered } from '../support/process/announced.ts';
import { LINE, NODES } from '../support/process/node-lines.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();

const APP = new URL('../fixtures/apps/app.ts', import.meta.url).pathname;

/** Where a balancer asks, in these tests. */
const HEALTH = { LOSSLESS_HEALTH_PATHS: '/health' };

const { ask, atEnd, keepAsking } = useAsking();

/** Lines of the log with this code. */
function lines({ child }: Service, code: string): readonly string[] {
  return child.stderr.split('\n').filter((line) => line.includes(`"${code}"`));
}

describe('a caller that only pretends to be a health check', () => {
  test.each([
    ['kube-probe/1.32', 'POST', '/echo'],
    ['ELB-HealthChecker/2.0', 'GET', '/'],
    ['GoogleHC/1.0', 'GET', '/echo'],
    ['Prometheus/2.53.0', 'POST', '/metrics'],
  ])('the drain waits for %s %s %s as for any caller', async (name, method, path) => {
    const service = await world().service('provider', { env: HEALTH });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    atEnd(() => agent.destroy());
    const asked = { method, path, headers: { 'user-agent': name }, agent };
    // A check that such a caller begins with makes no difference.
    await ask(service.port, { ...asked, method: 'GET', path: '/health' });
    const counted = keepAsking(service.port, () => asked, 20);
    await until(() => counted.answered >= 20);
    service.child.signal('SIGTERM');
    await service.child.ends();
    expect(counted.lost).toEqual([]);
    const trace = await world().trace(service);
    expect(spansOf(trace, 'entry')).toHaveLength(1);
    expect(Number(spansOf(trace, 'offline')[0]?.tags['lossless.requests.unmanaged'])).toBeGreaterThan(0);
  });

  test.each([
    ['kube-probe/1.32', '/healthz', {}],
    ['ELB-HealthChecker/2.0', '/', { connection: 'close' }],
    ['Prometheus/2.53.0', '/metrics', {}],
    ['a scraper', '/internal/numbers', { 'x-prometheus-scrape-timeout-seconds': '10' }],
  ])('the drain ignores %s at %s', async (name, path, headers) => {
    const service = await world().service('provider', { env: HEALTH });
    const counted = keepAsking(service.port, () => ({ path, headers: { 'user-agent': name, ...headers } }), 20);
    await until(() => counted.answered >= 20);
    await world().leave(service);
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('success');
    expect(spansOf(trace, 'entry')).toHaveLength(0);
  });
});

describe('the status file', () => {
  test.each([
    ['a link to nothing', (folder: string) => symlinkSync(join(folder, 'nothing'), join(folder, 'ready'))],
    ['a link to a foreign file', (folder: string) => symlinkSync(join(folder, 'precious'), join(folder, 'ready'))],
  ])('that is %s: the plugin leaves it alone, and the shutdown says so', async (_, place) => {
    const folder = join(world().directory, 'status');
    mkdirSync(folder);
    writeFileSync(join(folder, 'precious'), 'precious');
    place(folder);
    const service = await world().service('provider', { env: { LOSSLESS_STATUS_FILE: join(folder, 'ready') } });
    await service.child.sees(/LOSSLESS_STATUS_FILE: .* cannot be written/);
    expect(await ask(service.port, { path: '/echo' })).toBe(200);
    await world().leave(service);
    expect(readFileSync(join(folder, 'precious'), 'utf8')).toBe('precious');
    const { verdict } = await world().trace(service);
    expect(verdict.result).toBe('incomplete');
    expect(lines(service, 'LOSSLESS_STATUS_FILE').length).toBeLessThanOrEqual(3);
  });

  const missing = mountMissing();
  test.skipIf(missing)(
    `cannot be removed, as its file system has become read-only: log and trace say so, and the offline ends${missing ? ` (${missing})` : ''}`,
    async () => {
      const folder = join(world().directory, 'status');
      mkdirSync(folder);
      const script =
        'mount -t tmpfs -o size=1m none "$0" && "$@" & read line; mount -o remount,ro "$0"; echo remounted; wait';
      const app = [NODES[LINE], '--disable-warning=ExperimentalWarning', APP, 'http', '5', '0', '127.0.0.1'];
      const env = world().env('provider', { LOSSLESS_STATUS_FILE: join(folder, 'ready') });
      const child = world().children.run('unshare', ['-m', 'sh', '-c', script, folder, ...app], { env });
      const port = await appPortOf(child);
      await entered(child, 'warming');
      child.say('read-only');
      await child.sees(/remounted/);
      const [, pid] = await child.sees(/"pid":(\d+)/);
      expect(await ask(port, { path: '/echo' })).toBe(200);
      process.kill(Number(pid), 'SIGTERM');
      await child.ends();
      expect(lines({ child, port }, 'LOSSLESS_STATUS_FILE')).toHaveLength(1);
      const { verdict } = await world().trace({ child, port });
      expect(verdict.result).toBe('incomplete');
    },
  );
});

/** Why nothing can be mounted; false when it can. */
function mountMissing(): string | false {
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'no mount namespaces';
  }
}
