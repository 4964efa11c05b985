import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { entered } from '../support/process/announced.ts';
import { LINE, NODES } from '../support/process/node-lines.ts';
import { useWorld } from '../support/process/world.ts';

const world = useWorld();

const APP = fileURLToPath(new URL('../fixtures/apps/app.ts', import.meta.url));

/** No entry of /etc/passwd has it, as in a container with `runAsUser`. */
const ID = '54321';

test.runIf(process.geteuid?.() === 0)('a user without a name: registered, offline, spans kept', async () => {
  chmodSync(world().directory, 0o755);
  const temporary = join(world().directory, 'tmp');
  mkdirSync(temporary);
  chmodSync(temporary, 0o1777);
  const child = world().children.run(
    'setpriv',
    ['--reuid', ID, '--regid', ID, '--clear-groups', NODES[LINE], APP, 'http', '5', '0', '127.0.0.1'],
    {
      env: world().env('nameless', {
        TMPDIR: temporary,
        LOSSLESS_REGISTRY: 'file:',
        LOSSLESS_SPOOL_DIR: '',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
      }),
    },
  );
  await entered(child, 'warming');
  child.signal('SIGTERM');
  expect(await child.ends()).toEqual({ code: null, signal: 'SIGTERM' });
  const spool = join(temporary, `lossless-spool-${ID}`);
  expect(statSync(spool)).toMatchObject({ uid: Number(ID) });
  expect(statSync(spool).mode & 0o777).toBe(0o700);
  expect(readdirSync(spool).length).toBeGreaterThan(0);
});
