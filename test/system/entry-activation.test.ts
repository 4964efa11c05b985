import { execFile, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { startHttp1 } from '../support/entry/http1-load.ts';
import { useChildren } from '../support/process/use-children.ts';
import { freePort, serverMissing, serverProgram } from '../support/servers/built.ts';
import { until } from '../support/until.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const UNITS = join(ROOT, 'deploy/systemd');
const REGISTER = pathToFileURL(join(ROOT, 'dist/src/register.js')).href;
const APPLICATION = join(ROOT, 'test/fixtures/entry/application.ts');

const RESTARTS = 3;

const missing = serverMissing('hold');
const children = useChildren();

/** Values of a setting of a unit, in turn. */
function settings(unit: string, name: string): readonly string[] {
  const lines = readFileSync(join(UNITS, unit), 'utf8').split('\n');
  return lines.filter((line) => line.startsWith(`${name}=`)).map((line) => line.slice(name.length + 1));
}

/** The command line of the service unit, with the plugin of this tree and the application of the tests. */
function command(): readonly string[] {
  const [line = ''] = settings('orders.service', 'ExecStart');
  expect(line).toBe('/usr/bin/node --import=lossless-lifecycle/register server.js');
  return line
    .replace('/usr/bin/node', process.execPath)
    .replace('lossless-lifecycle/register', REGISTER)
    .replace('server.js', APPLICATION)
    .split(' ');
}

const noSystemd = spawnSync('systemd-analyze', ['--version']).error === undefined ? false : 'no systemd-analyze';

test.skipIf(noSystemd)(`systemd takes the units${noSystemd ? ` (${noSystemd})` : ''}`, async () => {
  const directory = useScratchFolder();
  // This machine lacks the files that the units name.
  const service = readFileSync(join(UNITS, 'orders.service'), 'utf8').replace('/usr/bin/node', process.execPath);
  writeFileSync(join(directory, 'orders.service'), service.replace('/srv/orders', directory));
  copyFileSync(join(UNITS, 'orders.socket'), join(directory, 'orders.socket'));
  const complaints = await new Promise<string>((done) => {
    const units = ['orders.service', 'orders.socket'].map((unit) => join(directory, unit));
    execFile('systemd-analyze', ['verify', '--man=no', ...units], { timeout: 30_000 }, (error, stdout, stderr) =>
      done(`${error?.message ?? ''}${stdout}${stderr}`),
    );
  });
  expect(complaints).toBe('');
});

test('the service is given longer to stop than its grace period', () => {
  const environment = Object.fromEntries(settings('orders.service', 'Environment').map((pair) => pair.split('=')));
  const [stop = ''] = settings('orders.service', 'TimeoutStopSec');
  expect(Number(stop) * 1_000).toBeGreaterThanOrEqual(Number(environment['LOSSLESS_GRACE_PERIOD_MS']) + 5_000);
});

test.skipIf(missing)(
  `the command line of the unit, restarted under load by a parent that holds its listener as systemd does, loses nothing${missing ? ` (${missing})` : ''}`,
  async () => {
    const directory = useScratchFolder();
    const port = await freePort();
    const environment = Object.fromEntries(settings('orders.service', 'Environment').map((pair) => pair.split('=')));
    const parent = children.run(serverProgram('hold'), ['127.0.0.1', `${port}`, ...command()], {
      cwd: dirname(APPLICATION),
      env: {
        ...environment,
        LOSSLESS_REGISTRY: pathToFileURL(join(directory, 'registry')).href,
        LOSSLESS_SPOOL_DIR: join(directory, 'spool'),
        LOSSLESS_CONTROL_PORT: '0',
        OTEL_TRACES_EXPORTER: 'none',
      },
    });
    const lives = () => parent.stderr.split('registering -> warming').length - 1;
    const ended = () => parent.stdout.match(/^ended \d+$/gm)?.length ?? 0;
    await until(() => lives() === 1);
    const load = startHttp1({ host: '127.0.0.1', port, sends: 'post', clients: 16, perSecond: 10 });
    await until(() => load.sent > 160);
    for (let n = 1; n <= RESTARTS; n++) {
      const sent = load.sent;
      parent.signal('SIGTERM');
      await until(() => ended() === n && lives() === n + 1 && load.sent > sent + 160, 30_000);
    }
    const { failed, ok, sent } = await load.stop();
    expect(failed).toEqual([]);
    expect(ok).toBe(sent);
  },
  120_000,
);
