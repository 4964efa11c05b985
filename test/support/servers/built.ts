import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../../src/cli/demo/free-ports.ts';

/** Files that name a build, beside Java sources; the same as in scripts/build-servers.sh. */
const SOURCES = [
  'go.mod',
  'go.sum',
  'main.c',
  'main.go',
  'next.config.mjs',
  'package-lock.json',
  'package.json',
  'packages',
  'pom.xml',
  'requirements.txt',
  'tsconfig.json',
];

/** The path to which `scripts/build-servers.sh NAME` builds a server of the tests; undefined before that. */
function found(name: string): string | undefined {
  const folder = fileURLToPath(new URL(`../../servers/${name}`, import.meta.url));
  const java = existsSync(join(folder, 'src')) ? readdirSync(join(folder, 'src'), { recursive: true }) : [];
  const sources = [...SOURCES, ...java.map((path) => join('src', String(path)))].filter((path) =>
    statSync(join(folder, path), { throwIfNoEntry: false })?.isFile(),
  );
  const hash = createHash('sha256');
  for (const path of sources.sort()) hash.update(readFileSync(join(folder, path)));
  const cache =
    process.env['LOSSLESS_TEST_CACHE'] ??
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'lossless-lifecycle');
  const path = join(cache, 'bin', `${name}-${hash.digest('hex').slice(0, 16)}`);
  return existsSync(path) ? path : undefined;
}

/**
 * Why tests with real servers are skipped; false when they run. Under LOSSLESS_REQUIRE_SERVERS a missing server fails them instead.
 */
export function serverMissing(...names: readonly string[]): string | false {
  const missing = names.filter((name) => found(name) === undefined);
  if (process.env['LOSSLESS_REQUIRE_SERVERS'] || missing.length === 0) return false;
  return `missing ${missing.join(', ')}: build with scripts/build-servers.sh ${missing.join(' ')}`;
}

/** The server's program, or the folder with its programs or jars. Builds a missing one, which takes minutes. */
export function serverProgram(name: string): string {
  const build = fileURLToPath(new URL('../../../scripts/build-servers.sh', import.meta.url));
  return found(name) ?? execFileSync(build, [name], { encoding: 'utf8' }).trim();
}

/** A TCP port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}
