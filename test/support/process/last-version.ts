import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The version before this one: its number, and the commit from which it is built. */
export const LAST_VERSION = { version: '0.1.0', commit: '23b8c6b67ee13e53f6a68f8f1dd8908e816f03fb' } as const;

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Whether the clone holds the commit; a clone made with `--depth` does not. */
export function hasLastVersion(): boolean {
  try {
    git('cat-file', '-e', `${LAST_VERSION.commit}^{commit}`);
    return true;
  } catch {
    return false;
  }
}

/**
 * Builds, packs and unpacks the last version below `folder`. It needs no network: its dependencies are pinned to the versions
 * installed here.
 *
 * @returns its entry, for `--import`
 */
export function buildLastVersion(folder: string): string {
  const source = join(folder, 'source');
  mkdirSync(source);
  execFileSync('tar', ['-x', '-C', source], { input: git('archive', LAST_VERSION.commit) });
  linkPackages(join(source, 'node_modules'));
  run(process.execPath, ['scripts/build.ts'], source);
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], source);
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz')) ?? '';
  execFileSync('tar', ['-xf', join(folder, tarball), '-C', folder]);
  linkPackages(join(folder, 'node_modules'));
  return pathToFileURL(join(folder, 'package/dist/src/register.js')).href;
}

/** Fills `folder` with links to all packages installed here, also to those of the tests, because the last version needs more. */
function linkPackages(folder: string): void {
  mkdirSync(folder);
  for (const installed of [join(ROOT, 'node_modules'), join(ROOT, 'test/packages/node_modules')])
    for (const name of readdirSync(installed))
      if (!existsSync(join(folder, name))) symlinkSync(join(installed, name), join(folder, name));
}

function git(...args: readonly string[]): Buffer {
  return execFileSync('git', args, { cwd: ROOT, maxBuffer: 2 ** 27, stdio: ['ignore', 'pipe', 'pipe'] });
}

function run(command: string, args: readonly string[], cwd: string): void {
  execFileSync(command, args, { cwd, stdio: 'pipe', env: { ...process.env, npm_config_update_notifier: 'false' } });
}
