import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stopListening } from '../../../../src/provider/offline/stop.ts';
import { useScratchFolder } from '../../../support/use-scratch-folder.ts';

test.each([
  ['a TCP port', () => ({ port: 0, host: '127.0.0.1' })],
  ['a Unix socket', () => ({ path: join(useScratchFolder(), 'app.sock') })],
])('a closed server still tells its address: %s', async (_, where) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(where(), resolve));
  const address = server.address();
  stopListening({ servers: [server] });
  expect(server.listening).toBe(true);
  expect(server.address()).toEqual(address);
  await new Promise((resolve) => server.close(resolve));
});
