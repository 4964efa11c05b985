/** A server of gRPC that leaves by hand: `grpc-provider.ts <framework> <way> <secure>`. */
import { once } from 'node:events';
import type { Server as NetServer } from 'node:net';
import { freePorts } from '../src/cli/demo/free-ports.ts';
import { SERVERS } from '../test/support/grpc/servers.ts';
import { certificate } from '../test/support/tls/certificate.ts';

const [framework = '', way = '', isSecure] = process.argv.slice(2);

interface GrpcServer {
  tryShutdown(done: () => void): void;
  forceShutdown(): void;
}

const end = (): void => process.exit();

/** Each way as its documentation shows; `close` sends GOAWAY on every session. */
const WAYS: Readonly<Record<string, (server: unknown) => unknown>> = {
  tryShutdown: (server) => (server as GrpcServer).tryShutdown(end),
  forceShutdown: (server) => {
    (server as GrpcServer).forceShutdown();
    end();
  },
  close: (server) => (server as NetServer).close(end),
};

const [port = 0] = await freePorts(1);
const secret = isSecure === 'true' ? await certificate() : undefined;
const server = await SERVERS[framework]?.({ host: '127.0.0.1', port, secret });
if (framework === 'connect' && !(server as NetServer).listening) await once(server as NetServer, 'listening');
process.once('SIGTERM', () => WAYS[way]?.(server));
console.log(`listening ${port}`);
