import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { entered } from '../support/process/announced.ts';
import type { Child } from '../support/process/child.ts';
import { useWorld } from '../support/process/world.ts';
import { freePort, serverMissing, serverProgram } from '../support/servers/built.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const world = useWorld();

/** A folder in which the plugin is installed. */
function installed(): string {
  const folder = join(world().directory, 'node_modules');
  mkdirSync(folder, { recursive: true });
  const link = join(folder, 'lossless-lifecycle');
  if (!existsSync(link)) symlinkSync(ROOT, link);
  return folder;
}

/** How an instance of each is started. */
const APPS = {
  'Next.js standalone': {
    server: 'next',
    says: /pool closed/,
    start: async (): Promise<Child> => {
      const env = world().env('provider', {
        PORT: String(await freePort()),
        HOSTNAME: '127.0.0.1',
        NODE_PATH: installed(),
      });
      return world().children.node(pathToFileURL(join(serverProgram('next'), 'server.js')), { env });
    },
  },
  'ts-node': {
    server: 'ts-node',
    says: /^/,
    start: async (): Promise<Child> => {
      const folder = serverProgram('ts-node');
      const args = [join(folder, 'node_modules/ts-node/dist/bin.js'), join(folder, 'src/service.ts')];
      return world().children.run(process.execPath, args, { env: world().env('provider') });
    },
  },
} as const;

describe.each(Object.entries(APPS))('%s', (_, { server, says, start }) => {
  const missing = serverMissing(server);
  if (missing) console.warn(`skipped: ${missing}`);

  test.skipIf(missing)('leaves without losing a request', async () => {
    const [leaving, staying] = await Promise.all([start(), start()]);
    await Promise.all([entered(leaving, 'warming'), entered(staying, 'warming')]);
    const caller = await world().caller('http://provider/work', 100);
    await world().called({ child: leaving, port: 0 });
    leaving.signal('SIGTERM');
    await leaving.ends();
    expect(leaving.stdout).toMatch(says);
    expect(await caller.stop()).toMatchObject({ failed: 0, reasons: {} });
    const { verdict } = await world().trace({ child: leaving, port: 0 });
    expect(verdict).toMatchObject({ result: 'success', planned: 1, acked: 1, afterAck: 0, whole: true });
  });
});
