import { createServer, type RequestListener, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { FastifyInstance } from 'fastify';
import packages from '../test/packages/package.json' with { type: 'json' };
import { listening } from '../test/support/listening.ts';

/** Time a request takes by itself, in milliseconds. */
export const WORK_MS = 5;

/** How a provider leaves, as the documentation of a package shows it. */
interface Peer {
  /** The package; undefined: Node.js, or the plugin. */
  readonly package?: keyof typeof packages.dependencies;
  /** Makes the server that listens. Default: one of `node:http`. */
  readonly serve?: () => Promise<Server>;
  /** Makes a server leave at SIGTERM. */
  readonly leave?: (server: Server) => void | Promise<void>;
}

/** Two ways to leave that take a callback. */
type Stopping<Name extends string> = Server & Readonly<Record<Name, (ended: () => void) => void>>;

export const PEERS: Readonly<Record<string, Peer>> = {
  plugin: {},
  kill: {},
  'server.close': { leave: (server) => onTerm(() => server.close(() => process.exit())) },
  'sleep 30': { leave: (server) => onTerm(() => setTimeout(() => server.close(() => process.exit()), 30_000)) },
  stoppable: {
    package: 'stoppable',
    leave: async (server) => {
      const { default: stoppable } = await import('stoppable' as string);
      const stopping: Stopping<'stop'> = stoppable(server);
      onTerm(() => stopping.stop(() => process.exit()));
    },
  },
  'server-destroy': {
    package: 'server-destroy',
    leave: async (server) => {
      const { default: enableDestroy } = await import('server-destroy' as string);
      enableDestroy(server);
      onTerm(() => (server as Stopping<'destroy'>).destroy(() => process.exit()));
    },
  },
  'http-shutdown': {
    package: 'http-shutdown',
    leave: async (server) => {
      const { default: httpShutdown } = await import('http-shutdown');
      const stopping = httpShutdown(server);
      onTerm(() => stopping.shutdown(() => process.exit()));
    },
  },
  'http-terminator': {
    package: 'http-terminator',
    leave: async (server) => {
      const { createHttpTerminator } = await import('http-terminator');
      const terminator = createHttpTerminator({ server });
      onTerm(() => void terminator.terminate().then(() => process.exit()));
    },
  },
  'http-graceful-shutdown': {
    package: 'http-graceful-shutdown',
    leave: async (server) => {
      const { default: gracefulShutdown } = await import('http-graceful-shutdown');
      gracefulShutdown(server);
    },
  },
  terminus: {
    package: '@godaddy/terminus',
    leave: async (server) => {
      const { createTerminus } = await import('@godaddy/terminus');
      createTerminus(server, { signal: 'SIGTERM' });
    },
  },
  'close-with-grace': {
    package: 'close-with-grace',
    leave: async (server) => {
      const { default: closeWithGrace } = await import('close-with-grace');
      closeWithGrace({ logger: undefined } as never, async () => {
        await new Promise((resolve) => server.close(resolve));
      });
    },
  },
  lightship: {
    package: 'lightship',
    leave: async (server) => {
      const { createLightship } = await import('lightship');
      const lightship = await createLightship({ port: 0, detectKubernetes: false });
      lightship.registerShutdownHandler(() => new Promise((resolve) => server.close(() => resolve())));
      lightship.signalReady();
    },
  },
  fastify: {
    package: 'fastify',
    serve: () => fastifyServer(async (app) => onTerm(() => void app.close().then(() => process.exit()))),
  },
  'fastify-graceful-shutdown': {
    package: 'fastify-graceful-shutdown',
    serve: () =>
      fastifyServer(async (app) => {
        const { default: gracefulShutdown } = await import('fastify-graceful-shutdown' as string);
        app.register(gracefulShutdown);
      }),
  },
  'Nest, enableShutdownHooks': {
    package: '@nestjs/core',
    serve: () => nestServer([], (app) => void app.enableShutdownHooks()),
  },
  'nestjs-graceful-shutdown': {
    package: 'nestjs-graceful-shutdown',
    serve: async () => {
      const { GracefulShutdownModule, setupGracefulShutdown } = await import('nestjs-graceful-shutdown');
      return nestServer([GracefulShutdownModule.forRoot()], (app) => setupGracefulShutdown({ app }));
    },
  },
  moleculer: { package: 'moleculer' },
};

/** A peer with its version. */
export function named(peer: string): string {
  const name = PEERS[peer]?.package;
  return name === undefined ? peer : `${peer} ${packages.dependencies[name]}`;
}

function onTerm(leave: () => void): void {
  process.once('SIGTERM', leave);
}

const handle: RequestListener = async (request, response) => {
  const body = await text(request);
  await new Promise((resolve) => setTimeout(resolve, WORK_MS));
  response.end(body);
};

/** A server that answers each POST with its body, and how it leaves. */
export async function serve(peer: string): Promise<Server> {
  const made = await PEERS[peer]?.serve?.();
  if (made !== undefined) return made;
  const server = createServer(handle);
  await listening(server);
  return server;
}

async function fastifyServer(leaving: (app: FastifyInstance) => Promise<void>): Promise<Server> {
  const { default: fastify } = await import('fastify');
  const app = fastify();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.post('/*', async (request) => {
    await new Promise((resolve) => setTimeout(resolve, WORK_MS));
    return request.body;
  });
  await leaving(app);
  await app.listen({ port: 0, host: '127.0.0.1' });
  return app.server;
}

async function nestServer(imports: readonly object[], leaving: (app: NestExpressApplication) => void): Promise<Server> {
  await import('reflect-metadata');
  const { Module } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  class App {}
  Module({ imports: imports as never[] })(App);
  const app = await NestFactory.create<NestExpressApplication>(App, { logger: false, bodyParser: false });
  app.use(handle);
  leaving(app);
  await app.listen(0, '127.0.0.1');
  return app.getHttpServer();
}
