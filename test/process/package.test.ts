import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { entered } from '../support/process/announced.ts';
import { LINE, LINES, NODES } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';
import { useScratchFolder } from '../support/use-scratch-folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const children = useChildren();

const APPS = {
  'app.mjs': `import { createServer } from 'node:http';
import { status } from 'lossless-lifecycle';
createServer((request, response) => response.end('ok')).listen(0, '127.0.0.1', function () { console.log('listening', this.address().port, typeof status); });`,
  'app.cjs': `const { createServer } = require('node:http');
const { status } = require('lossless-lifecycle');
createServer((request, response) => response.end('ok')).listen(0, '127.0.0.1', function () { console.log('listening', this.address().port, typeof status); });`,
  // Calls twice, by both stacks, then waits: the only instance of a service can leave without callers.
  'client.cjs': `const { get } = require('node:http');
fetch('http://provider/').then((response) => response.text()).then((text) => get('http://provider/', (r) => r.resume().on('end', () => console.log('answered', text)))).catch(console.error);
setInterval(() => {}, 1000);`,
};

/** A backend that lists what it was given. */
const OPEN = `openBackend = () => {
  const entries = new Map();
  const list = async () => [...entries.values()];
  const write = async (instance) => void entries.set(instance.instanceId, instance);
  const remove = async ({ instanceId }) => void entries.delete(instanceId);
  const rounds = () => async (deliver) => (deliver(await list()), 100);
  const capabilities = { push: false, lagMs: 200, expires: false };
  return { title: 'Own', address: 'here', capabilities, beatMs: 1000, write, beat: write, remove, list, rounds };
};`;

/** Files of modules, by what they are named as: a path, a package of CommonJS, one that can be imported only. */
const MODULES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  './own.mjs': { 'own.mjs': `export const ${OPEN}` },
  'own-common': { 'package.json': '{"main":"index.cjs"}', 'index.cjs': `exports.${OPEN}` },
  '@own/esm': {
    'package.json': '{"type":"module","exports":{"import":"./index.js"}}',
    'index.js': `export const ${OPEN}`,
  },
};

describe('the packed package in an empty project', () => {
  const project = useScratchFolder();

  beforeAll(() => {
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
    for (const [name, files] of Object.entries(MODULES))
      for (const [file, text] of Object.entries(files)) {
        const folder = name.startsWith('.') ? project : join(project, 'node_modules', name);
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, file), text);
      }
    mkdirSync(join(project, 'registry'));
  }, 180_000);

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
      await entered(provider, 'warming');
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

  test.each(LINES.flatMap((line) => Object.keys(MODULES).map((specifier) => ({ line, specifier }))))(
    'the plugin finds an own registry as $specifier, on Node $line',
    async ({ line, specifier }) => {
      const registry = `own://host?module=${specifier}`;
      const provider = children.run(NODES[line], ['app.mjs'], {
        cwd: project,
        env: { ...env(), LOSSLESS_REGISTRY: registry },
      });
      await entered(provider, 'warming');
      provider.signal('SIGTERM');
      await provider.sees(/offline ended: success/);
    },
  );

  test.each(PRELOADS)('a start that is strict, with %s', async (options) => {
    const strict = { ...env(), NODE_OPTIONS: options, LOSSLESS_STRICT: 'true' };
    const wrong = children.run(NODES[LINE], ['app.cjs'], { cwd: project, env: { ...strict, LOSSLESS_HOLD_MS: 'x' } });
    expect(await wrong.ends()).toEqual({ code: 78, signal: null });
    expect(wrong.stderr).toMatch(/^LOSSLESS_CONFIG_INVALID: .*LOSSLESS_HOLD_MS/);
    expect(wrong.stdout).toBe('');
    const right = children.run(NODES[LINE], ['app.cjs'], { cwd: project, env: strict });
    await entered(right, 'warming');
  });

  test.each(LINES)('the command runs on Node %s', async (line) => {
    const help = children.run(NODES[line], ['node_modules/.bin/lossless', '--help'], { cwd: project });
    await help.ends();
    expect(help.stdout).toContain('usage: lossless <command>');
    expect(help.stdout).toContain('demo');
  });

  test('npx lossless-lifecycle demo: an install without development packages counts both sets and ends with 0', async () => {
    const demo = children.run('npx', ['--no-install', 'lossless-lifecycle', 'demo', '--seconds', '5', '--rate', '20'], {
      cwd: project,
      env: { npm_config_update_notifier: 'false' },
    });
    expect(await demo.ends(120_000), demo.stderr).toEqual({ code: 0, signal: null });
    expect(demo.stdout).toMatch(/^base \(by hand\) +\d+ +\d+ +\d+ /m);
    expect(demo.stdout).toMatch(/^gray \(plugin\) +\d+ +0 +\d+ /m);
    expect(demo.stdout).toMatch(/^(\d+) of \1 shutdown traces and (\d+) of \2 traces of starts are whole$/m);
  }, 180_000);

  test('the collector has its page', async () => {
    const args = ['collector', '--port', '0', '--query-port', '0', '--db', ':memory:'];
    const collector = children.run(NODES['22.19'], ['node_modules/.bin/lossless', ...args], { cwd: project });
    const [, url = ''] = await collector.sees(/queries: (\S+)/);
    for (const path of ['/', '/page/main.js', '/page/style.css', '/page/icon.svg'])
      expect((await fetch(`${url}${path}`)).status, path).toBe(200);
  });

  /** A file of the installed package, or of one beside it. */
  const read = (path: string, name = 'lossless-lifecycle') =>
    readFileSync(join(project, 'node_modules', name, path), 'utf8');
  const packed = () => {
    const entries = { recursive: true, encoding: 'utf8', withFileTypes: true } as const;
    const directory = join(project, 'node_modules/lossless-lifecycle');
    return readdirSync(directory, entries)
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
  };

  test('its pages come with it, and so do the targets of their links and of the alerts', () => {
    const pages = packed().filter((file) => file.endsWith('.md'));
    expect(pages).toContain('SECURITY.md');
    const links = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link = '']) => join(dirname(page), link)),
    );
    const runbooks = [...read('dashboards/generated/alerts.yaml').matchAll(/runbook_url: ".*\/(\w+\.md)/g)];
    expect(runbooks).not.toEqual([]);
    const wanted = [...links, ...runbooks.map(([, page = '']) => join('docs/runbooks', page))];
    const directory = join(project, 'node_modules/lossless-lifecycle');
    expect(wanted.filter((path) => !existsSync(resolve(directory, path)))).toEqual([]);
  });

  test('no source map, because the sources are not packed, and no reference to one', () => {
    expect(packed().filter((file) => file.endsWith('.map'))).toEqual([]);
    const scripts = packed().filter((file) => /\.c?js$/.test(file));
    expect(scripts.filter((file) => read(file).includes('sourceMappingURL='))).toEqual([]);
  });

  test('each entry has one file of declarations, which imports nothing', () => {
    const declarations = packed().filter((file) => /\.d\.c?ts$/.test(file));
    const entries = ['index', 'register', 'registry'].flatMap((name) => [
      `dist/src/${name}.d.cts`,
      `dist/src/${name}.d.ts`,
    ]);
    expect(declarations.toSorted()).toEqual(entries);
    for (const file of declarations)
      expect(read(file).match(/(?<=from )'\.[^']*'/g) ?? [], file).toEqual(
        file.endsWith('.d.cts') ? [`'./${basename(file, '.d.cts')}.js'`] : [],
      );
  });

  test('names an author, and no address that it does not have', () => {
    const manifest = JSON.parse(read('package.json')) as Record<string, unknown>;
    expect(manifest['author']).toBe('The lossless-lifecycle authors');
    for (const field of ['repository', 'bugs', 'homepage'])
      expect(JSON.stringify(manifest[field] ?? ''), field).not.toMatch(/example|localhost|noreply/);
  });

  describe('its SBOM', () => {
    type Component = Record<'type' | 'bom-ref' | 'group' | 'name' | 'version' | 'purl', string> & {
      licenses: { license: { id: string } }[];
      evidence?: { occurrences: { location: string }[] };
    };
    const sbom = () =>
      JSON.parse(read('dist/sbom.cdx.json')) as {
        metadata: { component: Component };
        components: Component[];
        dependencies: { ref: string; dependsOn: string[] }[];
      };
    const fullName = ({ group, name }: Component) => (group === undefined ? name : `${group}/${name}`);
    const line = (one: Component) => `${fullName(one)} ${one.version} (${one.licenses[0]?.license.id})`;

    test('is CycloneDX 1.6, each package with version, license and purl, and once', () => {
      const { metadata, components, dependencies } = sbom();
      expect(sbom()).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 });
      const { name, version } = JSON.parse(read('package.json')) as { name: string; version: string };
      expect(metadata.component).toMatchObject({ name, version, purl: `pkg:npm/${name}@${version}` });
      for (const one of [metadata.component, ...components]) {
        expect(one).toMatchObject({ type: 'library', licenses: [{ license: { id: expect.stringMatching(/^\S+$/) } }] });
        expect(one.purl).toBe(`pkg:npm/${fullName(one).replace('@', '%40')}@${one.version}`);
        expect(one['bom-ref']).toBe(one.purl);
      }
      const purls = components.map(({ purl }) => purl);
      expect(purls).toEqual([...new Set(purls)].sort());
      expect(dependencies).toEqual([{ ref: metadata.component.purl, dependsOn: purls }]);
    });

    test('names the packages of each bundle that its notice names', () => {
      const notices = packed().filter((file) => file.endsWith('.NOTICE'));
      const inNotices = notices.flatMap((file) =>
        [...read(file).matchAll(/^\S+ \d\S* \(\S+\)$/gm)].map(([package_]) => `${file}: ${package_}`),
      );
      const inSbom = sbom().components.flatMap((one) =>
        (one.evidence?.occurrences ?? []).map(({ location }) => {
          expect(packed()).toContain(location);
          return `${location.replace(/\.c?js$/, '.NOTICE')}: ${line(one)}`;
        }),
      );
      expect(inSbom.sort()).toEqual(inNotices.sort());
      expect(inSbom.some((one) => one.includes(': preact '))).toBe(true);
    });

    test('has the dependencies that are installed beside the package, in that version', () => {
      const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
      const beside = sbom().components.filter(({ evidence }) => evidence === undefined);
      expect(Object.fromEntries(beside.map((one) => [fullName(one), one.version]))).toEqual(dependencies);
      for (const one of beside)
        expect(JSON.parse(read('package.json', fullName(one)))).toMatchObject({
          version: one.version,
          license: one.licenses[0]?.license.id,
        });
    });
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
