import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LINE, LINES, NODES, useChildren } from '../support/child.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const children = useChildren();

const APPS = {
  'app.mjs': `import { createServer } from 'node:http';
import { status } from 'lossless-lifecycle';
createServer((request, response) => response.end('ok')).listen(0, '127.0.0.1', function () { console.log('listening', this.address().port, typeof status); });`,
  'app.cjs': `const { createServer } = require('node:http');
const { status } = require('lossless-lifecycle');
createServer((request, response) => response.end('ok')).listen(0, '127.0.0.1', function () { console.log('listening', this.address().port, typeof status); });`,
  // Calls twice, by both stacks, then waits: the only instance of a service can leave when nobody needs it.
  'client.cjs': `const { get } = require('node:http');
fetch('http://provider/').then((response) => response.text()).then((text) => get('http://provider/', (r) => r.resume().on('end', () => console.log('answered', text)))).catch(console.error);
setInterval(() => {}, 1000);`,
};

describe('the packed package in an empty project', () => {
  let project: string;

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'lossless-package-'));
    const env = { ...process.env, npm_config_update_notifier: 'false' };
    execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', project], { cwd: root, env, stdio: 'pipe' });
    const tarball = readdirSync(project).find((file) => file.endsWith('.tgz')) ?? '';
    writeFileSync(join(project, 'package.json'), '{"name":"provider","private":true}');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', `./${tarball}`], {
      cwd: project,
      env,
      stdio: 'pipe',
    });
    for (const [name, text] of Object.entries(APPS)) writeFileSync(join(project, name), text);
    mkdirSync(join(project, 'registry'));
  }, 180_000);
  afterAll(() => rmSync(project, { recursive: true, force: true }));

  const env = () => ({
    NODE_OPTIONS: '--import=lossless-lifecycle/register',
    LOSSLESS_ENABLED: 'true',
    LOSSLESS_REGISTRY: `file://${project}/registry`,
    LOSSLESS_CONTROL_PORT: '0',
    LOSSLESS_SPOOL_DIR: join(project, 'spool'),
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
  });

  const PRELOADS = [
    '--import=lossless-lifecycle/register',
    '--require=lossless-lifecycle/register',
    '--no-experimental-require-module --import=lossless-lifecycle/register',
    '--no-experimental-require-module --require=lossless-lifecycle/register',
  ];
  const [imported = '', ...others] = PRELOADS;
  const ways = [
    ...['app.mjs', 'app.cjs'].map((app) => ({ options: imported, app })),
    ...others.map((options, n) => ({ options, app: n === 1 ? 'app.mjs' : 'app.cjs' })),
  ];
  test.each(LINES.flatMap((line) => ways.map((way) => ({ line, ...way }))))(
    '$app on Node $line with $options: registered, called, and it leaves',
    async ({ line, options, app }) => {
      const provider = children.run(NODES[line], [app], { cwd: project, env: { ...env(), NODE_OPTIONS: options } });
      await provider.sees(/listening \d+ function/);
      await provider.sees(/registering -> warming/);
      const client = children.run(NODES[line], ['client.cjs'], {
        cwd: project,
        env: { ...env(), LOSSLESS_SERVICE: 'client' },
      });
      await client.sees(/answered ok/);
      provider.signal('SIGTERM');
      await provider.sees(/offline ended: success/);
      expect(await provider.ends()).toEqual({ code: null, signal: 'SIGTERM' });
      expect(provider.stderr).toMatch(/"acked":1/);
    },
  );

  test.each(PRELOADS)('a start that is strict, with %s', async (options) => {
    const strict = { ...env(), NODE_OPTIONS: options, LOSSLESS_STRICT: 'true' };
    const wrong = children.run(NODES[LINE], ['app.cjs'], { cwd: project, env: { ...strict, LOSSLESS_HOLD_MS: 'x' } });
    expect(await wrong.ends()).toEqual({ code: 78, signal: null });
    expect(wrong.stderr).toMatch(/^LOSSLESS_CONFIG_INVALID: .*LOSSLESS_HOLD_MS/);
    expect(wrong.stdout).toBe('');
    const right = children.run(NODES[LINE], ['app.cjs'], { cwd: project, env: strict });
    await right.sees(/registering -> warming/);
  });

  test.each(LINES)('the command runs on Node %s', async (line) => {
    const help = children.run(NODES[line], ['node_modules/.bin/lossless', '--help'], { cwd: project });
    await help.ends();
    expect(help.stdout).toContain('usage: lossless <command>');
    expect(help.stdout).toContain('demo');
  });

  test('the collector has its page', async () => {
    const args = ['collector', '--port', '0', '--query-port', '0', '--db', ':memory:'];
    const collector = children.run(NODES['22.19'], ['node_modules/.bin/lossless', ...args], { cwd: project });
    const [, url = ''] = await collector.sees(/queries: (\S+)/);
    for (const path of ['/', '/page/main.js', '/page/style.css', '/page/icon.svg'])
      expect((await fetch(`${url}${path}`)).status, path).toBe(200);
  });

  test('npm works under the same NODE_OPTIONS and leaves nothing behind', async () => {
    const npm = children.run('npm', ['--version'], { cwd: project, env: env() });
    expect(await npm.ends()).toMatchObject({ code: 0 });
    expect(npm.stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/);
    expect(npm.stderr).not.toContain('lossless');
  });

  test('without LOSSLESS_ENABLED nothing is touched', async () => {
    writeFileSync(
      join(project, 'idle.mjs'),
      `import { channel } from 'node:diagnostics_channel';
       const http = process.getBuiltinModule('node:http');
       console.log(JSON.stringify({ channel: channel('http.server.request.start').hasSubscribers, patched: http.Agent.prototype.addRequest.name, handles: process.getActiveResourcesInfo(), signals: process.listenerCount('SIGTERM'), dispatcher: Object.getOwnPropertySymbols(globalThis).map(String).filter((name) => /undici|lossless/.test(name)) }));`,
    );
    const run = async (options: Record<string, string>) => {
      const child = children.run(NODES[LINE], ['idle.mjs'], { cwd: project, env: options });
      await child.ends();
      return { ...(JSON.parse(child.stdout) as object), stderr: child.stderr };
    };
    expect(await run({ NODE_OPTIONS: '--import=lossless-lifecycle/register' })).toEqual(await run({}));
  });
});
