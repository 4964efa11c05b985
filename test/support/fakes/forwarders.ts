import { createServer as createHttpServer, request } from 'node:http';
import { connect, createServer, type Server } from 'node:net';
import { listening } from '../listening.ts';

/** A forwarder in front of a target. */
export interface Forwarder {
  readonly port: number;
  close(): void;
}

/** Passes bytes on, as a sidecar or a port forwarder does. @param from the local address it connects from */
export function tcpForwarder(host: string, port: number, from?: string): Promise<Forwarder> {
  return forwarding(
    createServer((near) => {
      const far = connect({ host, port, ...(from !== undefined && { localAddress: from }) });
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const)
        one.on('error', () => other.destroy()).pipe(other);
    }),
  );
}

/** Passes requests on as a reverse proxy that names the target as host and adds headers. */
export function httpForwarder(port: number, own: Readonly<Record<string, string>>): Promise<Forwarder> {
  return forwarding(
    createHttpServer((incoming, outgoing) => {
      const { method = 'GET', url: path = '/' } = incoming;
      const headers = { ...incoming.headers, host: `127.0.0.1:${port}`, connection: 'close', ...own };
      const passed = request({ host: '127.0.0.1', port, method, path, headers }, (response) => {
        outgoing.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(outgoing);
      });
      passed.on('error', () => outgoing.destroy());
      incoming.pipe(passed);
    }),
  );
}

async function forwarding(server: Server): Promise<Forwarder> {
  return { port: await listening(server), close: () => void server.close() };
}
