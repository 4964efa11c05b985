import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readLinked } from '../io/small-file.ts';
import { objectIn } from '../json.ts';

/** Name and version from the package.json of the program. */
export interface Package {
  /** Without its scope. */
  readonly name: string;
  readonly version?: string;
}

/** The package.json nearest to the program that was started, if one has a name. */
export function nearestPackage(): Package | undefined {
  for (let directory = programDirectory(); ; directory = dirname(directory)) {
    try {
      const { name, version } = objectIn(readLinked(join(directory, 'package.json'))) ?? {};
      if (typeof name === 'string')
        return { name: name.replace(/^@[^/]*\//, ''), ...(typeof version === 'string' && { version }) };
    } catch {
      // None here, or not readable: look further up.
    }
    if (directory === dirname(directory)) return undefined;
  }
}

/** The real path of the started program: package managers start programs by a link. */
function programDirectory(): string {
  try {
    return dirname(realpathSync(process.argv[1] ?? ''));
  } catch {
    return process.cwd();
  }
}
