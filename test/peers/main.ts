/**
 * `npm run peers -- express /path/to/a/checkout`: runs the test suite of a framework or client without the plugin and with
 * it, and compares. The checkout has its dependencies installed (`npm install` there). Without a path the installed package
 * is used, if it ships its tests. Exit code 1 when a test fails with the plugin only, or when nothing ran.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ScratchFolder } from '../support/scratch-folder.ts';
import { type Outcome, onlyWith, outcomeOf } from './tap.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** A file that hangs, with the plugin or without, ends after a minute and counts as failed. */
const NODE_TEST = ['node', '--test', '--test-timeout=60000', '--test-reporter=tap'];

/**
 * How each runs its own suite, with results as TAP: a command of its `node_modules/.bin`, or `node`. Its tests may leave servers open.
 * Where a peer has changed its runner, the first one that is installed counts.
 */
const SUITES: Readonly<Record<string, readonly (readonly string[])[]>> = {
  express: [
    [
      'mocha',
      '--require',
      'test/support/env',
      '--reporter',
      'tap',
      '--check-leaks',
      '--exit',
      'test/',
      'test/acceptance/',
    ],
  ],
  ws: [['mocha', '--throw-deprecation', '--exit', '--reporter', 'tap', 'test/*.test.js']],
  fastify: [[...NODE_TEST, 'test/**/*.test.js', 'test/**/*.test.mjs']],
  undici: [[...NODE_TEST, '--test-force-exit', 'test/*.js', 'test/{cache,cookie,fetch,interceptors,websocket}/*.js']],
  got: [['ava', '--tap']],
  axios: [
    ['vitest', 'run', '--project', 'unit', '--reporter=tap-flat'],
    ['mocha', 'test/unit/**/*.js', '--timeout', '30000', '--exit', '--reporter', 'tap'],
  ],
};

/** Longest run of one suite, in milliseconds; what it has printed by then counts. */
const LONGEST_MS = 20 * 60_000;

const [peer = '', path] = process.argv.slice(2);
const suites = SUITES[peer];
if (suites === undefined) {
  console.error(`expected one of ${Object.keys(SUITES).join(', ')}, received "${peer}"`);
  process.exit(2);
}
const scratch = new ScratchFolder();
process.once('exit', () => scratch.remove());
const directory = path === undefined ? await installed(peer) : resolve(path);
const bin = join(directory, 'node_modules/.bin');
const suite = suites.find(([command = '']) => command === 'node' || existsSync(join(bin, command))) ?? [];

/** Needs of a suite beside its command. */
const NODE_OPTIONS = peer === 'got' ? '--import=tsx/esm' : '';

const preloaded = {
  NODE_OPTIONS: `${NODE_OPTIONS} --import=${new URL('../../dist/src/register.js', import.meta.url)}`,
  LOSSLESS_ENABLED: 'true',
  // A suite that ran without the plugin would prove nothing.
  LOSSLESS_STRICT: 'true',
  LOSSLESS_SERVICE: 'peer',
  LOSSLESS_REGISTRY: 'memory:',
  LOSSLESS_CONTROL_PORT: '0',
  LOSSLESS_LOG_LEVEL: 'error',
  LOSSLESS_SPOOL_DIR: join(scratch.path, 'spool'),
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
};
const without = await run(suite, { NODE_OPTIONS });
console.log(`${peer} without the plugin: ${without.passed} passed, ${without.failed.length} failed`);
const withPlugin = await run(suite, preloaded);
console.log(`${peer} with the plugin:    ${withPlugin.passed} passed, ${withPlugin.failed.length} failed`);
const worse = onlyWith(without, withPlugin);
for (const title of worse) console.log(`fails only with the plugin: ${title}`);
const total = ({ passed, failed }: Outcome): number => passed + failed.length;
if (total(withPlugin) < total(without)) console.log(`ran with the plugin: ${total(withPlugin)} of ${total(without)}`);
process.exitCode = worse.length > 0 || without.passed === 0 || total(withPlugin) < total(without) ? 1 : 0;

/** A copy of the installed package with what its tests need. */
async function installed(name: string): Promise<string> {
  const source = join(ROOT, 'node_modules', name);
  if (!existsSync(join(source, 'test'))) {
    console.error(`expected the path of a checkout of ${name}: its package ships no tests`);
    process.exit(2);
  }
  const copy = join(scratch.path, name);
  cpSync(source, copy, { recursive: true });
  const npm = spawn('npm', ['install', '--no-fund', '--no-audit', '--ignore-scripts'], { cwd: copy, stdio: 'inherit' });
  await new Promise((done) => npm.once('close', done));
  return copy;
}

/** Runs the suite on the Node.js of this process. */
async function run([command = '', ...args]: readonly string[], env: Record<string, string>): Promise<Outcome> {
  const { HOME = '', PATH = '' } = process.env;
  const search = [dirname(process.execPath), PATH].join(delimiter);
  const file = command === 'node' ? process.execPath : join(bin, command);
  const child = spawn(file, args, {
    cwd: directory,
    env: { HOME, PATH: search, NODE_ENV: 'test', ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const end = (): void => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // Its process group has ended.
    }
  };
  const late = setTimeout(end, LONGEST_MS);
  await new Promise((done, fail) => child.once('close', done).once('error', fail));
  clearTimeout(late);
  end();
  return outcomeOf(output);
}
