import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { appPortOf, entered } from '../support/process/announced.ts';
import { LINE, NODES } from '../support/process/node-lines.ts';
import { type Service, spansOf, useWorld } from '../support/process/world.ts';
import { until } from '../support/until.ts';

const world = useWorld();

const APP = new URL('../fixtures/apps/app.ts', import.meta.url).pathname;

/** Where a balancer asks, in these tests. */
const HEALTH = { LOSSLESS_HEALTH_PATHS: '/health' };

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** This end of the connection. */
  readonly from?: string;
  readonly agent?: Agent | false;
}

/** Resolves with the status; rejects when the connection breaks. */
function ask(port: number, { from = '127.0.0.1', agent = false, ...asked }: Asked = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ ...asked, host: '127.0.0.1', port, localAddress: from, agent });
    sent.once('error', reject).once('response', (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    });
    sent.end(asked.method === 'POST' ? 'x'.repeat(512) : undefined);
  });
}

/** Asks as soon as it is answered, until the test ends or nobody listens any more. Counts what was answered and what was lost. */
function keepAsking(port: number, how: () => Asked, pauseMs = 0) {
  const counted = { answered: 0, lost: [] as string[] };
  let goesOn = true;
  const run = async (): Promise<void> => {
    while (goesOn) {
      try {
        await ask(port, how());
        counted.answered++;
      } catch (thrown) {
        const { code = 'error' } = thrown as NodeJS.ErrnoException;
        if (code === 'ECONNREFUSED') return;
        counted.lost.push(code);
      }
      await new Promise((resolve) => (pauseMs === 0 ? setImmediate(resolve) : setTimeout(resolve, pauseMs)));
    }
  };
  void run();
  ends.push(() => {
    goesOn = false;
  });
  return counted;
}

/** Lines of the log with this code. */
function lines({ child }: Service, code: string): readonly string[] {
  return child.stderr.split('\n').filter((line) => line.includes(`"${code}"`));
}

describe('who names himself as a health check and is none', () => {
  test.each([
    ['kube-probe/1.32', 'POST', '/echo'],
    ['ELB-HealthChecker/2.0', 'GET', '/'],
    ['GoogleHC/1.0', 'GET', '/echo'],
    ['Prometheus/2.53.0', 'POST', '/metrics'],
  ])('%s %s %s: is waited for as any caller', async (name, method, path) => {
    const service = await world().service('provider', { env: HEALTH });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    ends.push(() => agent.destroy());
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
  ])('%s at %s is nobody who is waited for', async (name, path, headers) => {
    const service = await world().service('provider', { env: HEALTH });
    const counted = keepAsking(service.port, () => ({ path, headers: { 'user-agent': name, ...headers } }), 20);
    await until(() => counted.answered >= 20);
    await world().leave(service);
    const trace = await world().trace(service);
    expect(trace.verdict.result).toBe('success');
    expect(spansOf(trace, 'entry')).toHaveLength(0);
  });
});

test('a flood of checks with made-up names costs nobody a request, and is no time-out', async () => {
  const service = await world().service('provider', { env: { ...HEALTH, LOSSLESS_GRACE_PERIOD_MS: '8000' } });
  const control = await world().controlPort(service);
  const balancer = { from: '127.0.0.2', headers: { 'user-agent': 'balancer' } };
  let isIn = true;
  const checks = setInterval(async () => {
    isIn = (await ask(service.port, { ...balancer, path: '/health' }).catch(() => 503)) === 200;
  }, 300);
  ends.push(() => clearInterval(checks));
  const lost: string[] = [];
  let sent = 0;
  const calls = setInterval(() => {
    if (!isIn) return;
    sent++;
    ask(service.port, { ...balancer, method: 'POST', path: '/echo' }).catch((thrown) => lost.push(String(thrown)));
  }, 20);
  ends.push(() => clearInterval(calls));
  let name = 0;
  const made = () => ({ path: '/health', from: '127.0.0.9', headers: { 'user-agent': `stranger ${name++}` } });
  const floods = Array.from({ length: 8 }, () => keepAsking(service.port, made));
  const other = keepAsking(control, () => ({ ...made(), path: '/readiness' }));
  await until(() => sent > 50 && name > 1_000);
  const begun = performance.now();
  service.child.signal('SIGTERM');
  await service.child.ends();
  // Half of the grace period is the longest wait for callers who are not known.
  expect(performance.now() - begun).toBeLessThan(7_000);
  expect(lost).toEqual([]);
  expect(floods.every(({ answered }) => answered > 0)).toBe(true);
  expect(other.answered).toBeGreaterThan(0);
  const trace = await world().trace(service);
  expect(trace.verdict.result).toBe('success');
  // The balancer is told by its own checks.
  expect(spansOf(trace, 'entry')[0]?.tags).toMatchObject({ 'lossless.entry.told': true, 'lossless.entry.probers': 1 });
  expect(service.child.stderr.split('\n').length).toBeLessThan(60);
});

describe('a flood of', () => {
  const pool = (): Agent => {
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    ends.push(() => agent.destroy());
    return agent;
  };
  const check = { path: '/health', from: '127.0.0.9' };
  test.each<readonly [string, () => () => Asked]>([
    ['checks, each by a connection of its own', () => () => check],
    [
      'checks by connections that are kept',
      () => {
        const agent = pool();
        return () => ({ ...check, agent });
      },
    ],
    [
      'checks from very many addresses',
      () => {
        let n = 0;
        return () => ({ ...check, from: `127.0.${1 + (n++ % 200)}.9` });
      },
    ],
    ['scrapes', () => () => ({ path: '/metrics', headers: { 'user-agent': 'Prometheus/2.53.0' } })],
  ])('%s: the offline ends as it does without it, and a call that is in flight gets its answer', async (_, made) => {
    const service = await world().service('provider', { env: { ...HEALTH, LOSSLESS_GRACE_PERIOD_MS: '8000' } });
    const how = made();
    const floods = Array.from({ length: 8 }, () => keepAsking(service.port, how));
    await until(() => floods.reduce((sum, { answered }) => sum + answered, 0) > 500);
    const call = ask(service.port, { path: '/slow?ms=1000' });
    await world().called(service, 501);
    service.child.signal('SIGTERM');
    const [status] = await Promise.all([call, service.child.ends()]);
    expect(status).toBe(200);
    const { verdict } = await world().trace(service);
    expect(verdict.result).toBe('success');
  });

  test('connections that say nothing: the offline takes the hold time at most', async () => {
    const service = await world().service('provider', { env: { ...HEALTH, LOSSLESS_HOLD_MS: '2000' } });
    let connected = 0;
    let goesOn = true;
    const one = (): void => {
      const socket = connect({ host: '127.0.0.1', port: service.port });
      socket.once('connect', () => {
        connected++;
        setTimeout(() => socket.destroy(), 50);
      });
      socket.on('error', () => {});
      socket.once('close', () => goesOn && setImmediate(one));
    };
    for (let n = 0; n < 16; n++) one();
    ends.push(() => {
      goesOn = false;
    });
    await until(() => connected > 100);
    const begun = performance.now();
    await world().leave(service);
    expect(performance.now() - begun).toBeLessThan(5_000);
    const { verdict } = await world().trace(service);
    expect(verdict.result).toBe('success');
  });
});

describe('the status file', () => {
  test.each([
    ['a link to nothing', (folder: string) => symlinkSync(join(folder, 'nothing'), join(folder, 'ready'))],
    [
      'a link to the file of somebody else',
      (folder: string) => symlinkSync(join(folder, 'precious'), join(folder, 'ready')),
    ],
  ])('is %s: neither written nor removed, and the shutdown says that it is left', async (_, place) => {
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
    `cannot be removed, as its file system has become read-only: it is said, in the trace too, and the offline ends${missing ? ` (${missing})` : ''}`,
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
