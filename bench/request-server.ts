/** A server that reports its port, and at each message the CPU microseconds of its process: `request-server.ts`. */
import { createServer } from 'node:http';
import { listening } from '../test/support/listening.ts';

const server = createServer((request, response) => request.resume().on('end', () => response.end('ok')));
process.on('disconnect', () => process.exit());
process.on('message', () => {
  const { system, user } = process.cpuUsage();
  process.send?.({ µs: system + user });
});
process.send?.({ port: await listening(server) });
