import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Folders whose packages `npm ci` does not install, and the test files that need them. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  'test/packages': [
    'process/app-tracing',
    'process/clients',
    'process/consumer-clients',
    'process/consumer-isolation',
    'process/entry',
    'process/frameworks',
    'process/grpc',
    'process/grpc-calls',
    'process/grpc-client',
    'process/grpc-connections',
    'process/grpc-pick',
    'process/last-instance',
    'process/modules',
    'process/platforms',
    'process/pm2',
    'process/servers',
    'process/several-ports',
    'process/versions',
    'process/zone',
    'unit/provider/entry/grpc-health',
    'system/examples',
    'system/fleet',
    'system/grpc-peers',
    'system/page/*',
    'system/redis-registry',
  ],
  'test/support/otel': ['process/signals-otel', 'process/telemetry'],
  'test/support/node-22': [],
  'test/support/node-26': [],
};

/** Whether `scripts/install.sh` has not installed a folder. */
export const isMissing = (folder: keyof typeof NEEDED): boolean => !existsSync(join(root, folder, 'node_modules'));

/** Test files that cannot run here, as globs; prints which folders are missing. */
export function leftOut(): readonly string[] {
  const missing = Object.keys(NEEDED).filter(isMissing);
  const files = missing.flatMap((folder) => NEEDED[folder] ?? []);
  if (missing.length > 0)
    console.warn(`${files.length} test files are left out: scripts/install.sh installs ${missing.join(', ')}`);
  return files.map((file) => `test/${file}.test.ts`);
}
