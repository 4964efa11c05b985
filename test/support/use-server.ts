import type { Server } from 'node:net';
import { afterwards } from './afterwards.ts';
import { listening } from './listening.ts';

/** Lets a server listen on a free port of `host` until the end of the test, and resolves with that port. */
export function useServer(server: Server & { closeAllConnections?: () => void }, host = '127.0.0.1'): Promise<number> {
  afterwards(() => {
    server.close();
    server.closeAllConnections?.();
  });
  return listening(server, host);
}
