import { join } from 'node:path';
import { serverProgram } from './built.ts';

/** The libraries of Debian's packages, below the folder of unpacked packages. */
const LIBRARIES = `usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

/** A program of unpacked Debian packages, with the environment in which it finds its libraries. */
export function unpacked(
  server: string,
  path: string,
): { readonly command: string; readonly env: Record<string, string> } {
  const folder = serverProgram(server);
  const libraries = join(folder, LIBRARIES);
  return {
    command: join(folder, path),
    env: { LD_LIBRARY_PATH: libraries, XTABLES_LIBDIR: join(libraries, 'xtables') },
  };
}
