import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../../src/cli/demo/free-ports.ts';

/** What names a build, beside Java sources; as in scripts/build-servers.sh. */
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

/** Where `scripts/build-servers.sh NAME` puts a server of the tests; undefined when it has not been built. */
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
 * Why tests with real servers are skipped; false when they run. Under LOSSLESS_REQUIRE_SERVERS they never are: then a missing
 * server fails them.
 */
export function serverMissing(...names: readonly string[]): string | false {
  const missing = names.filter((name) => found(name) === undefined);
  if (process.env['LOSSLESS_REQUIRE_SERVERS'] || missing.length === 0) return false;
  return `missing ${missing.join(', ')}: build with scripts/build-servers.sh ${missing.join(' ')}`;
}

/** The server's program, or the folder with its programs or jars; built when it is missing, which takes minutes. */
export function serverProgram(name: string): string {
  const build = fileURLToPath(new URL('../../../scripts/build-servers.sh', import.meta.url));
  return found(name) ?? execFileSync(build, [name], { encoding: 'utf8' }).trim();
}

/** A TCP port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}
