/** A provider that leaves as one of the peers does: `provider.ts <peer> <registry>`. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { createTerminus } from '@godaddy/terminus';
import closeWithGrace from 'close-with-grace';
import fastify from 'fastify';
import { createHttpTerminator } from 'http-terminator';
import { createLightship } from 'lightship';
import { systemClock } from '../src/lifecycle/clock.ts';
import { openRegistry } from '../src/registry/open.ts';
import { anInstance } from '../test/support/an-instance.ts';
import { listening, portOf } from '../test/support/listening.ts';

const [peer = '', registryUrl = ''] = process.argv.slice(2);

/** Time a request takes by itself, in milliseconds. */
const WORK_MS = 5;

const handle: RequestListener = async (request, response) => {
  const body = await text(request);
  await new Promise((resolve) => setTimeout(resolve, WORK_MS));
  response.end(body);
};

type Leave = (server: Server) => void | Promise<void>;

const onTerm = (leave: () => void): void => void process.once('SIGTERM', leave);

/** Each peer leaves as its documentation shows; `fastify` does so where the application is made. */
const PEERS: Readonly<Record<string, Leave>> = {
  'server.close': (server) => onTerm(() => server.close(() => process.exit())),
  'sleep 30': (server) => onTerm(() => setTimeout(() => server.close(() => process.exit()), 30_000)),
  lightship: async (server) => {
    const lightship = await createLightship({ port: 0, detectKubernetes: false });
    lightship.registerShutdownHandler(() => new Promise((resolve) => server.close(() => resolve())));
    lightship.signalReady();
  },
  'http-terminator': (server) => {
    const terminator = createHttpTerminator({ server });
    onTerm(() => void terminator.terminate().then(() => process.exit()));
  },
  terminus: (server) => void createTerminus(server, { signal: 'SIGTERM' }),
  'close-with-grace': (server) =>
    void closeWithGrace({ logger: undefined } as never, async () => {
      await new Promise((resolve) => server.close(resolve));
    }),
};

/** Holds the signal back from its listeners until the registry has removed this instance; `kill` has no listener and removes nothing. */
function deregisterFirst(deregister: () => Promise<void>): void {
  const leave = process.listeners('SIGTERM') as readonly NodeJS.SignalsListener[];
  if (leave.length === 0) return;
  process.removeAllListeners('SIGTERM');
  process.once('SIGTERM', async (...signal) => {
    await deregister();
    for (const listener of leave) listener(...signal);
  });
}

async function register(port: number): Promise<() => Promise<void>> {
  const registry = await openRegistry(new URL(registryUrl), { clock: systemClock, log: () => {} });
  const instance = anInstance({ service: 'provider', instanceId: `provider:${process.pid}`, port });
  await registry.register(instance);
  return () => registry.deregister(instance);
}

async function started(): Promise<Server> {
  if (peer !== 'fastify') {
    const server = createServer(handle);
    await listening(server);
    return server;
  }
  const app = fastify();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.post('/*', async (request) => {
    await new Promise((resolve) => setTimeout(resolve, WORK_MS));
    return request.body;
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  onTerm(() => void app.close().then(() => process.exit()));
  return app.server;
}

const server = await started();
// No connection expires during a run, because that race is not the measured one.
server.keepAliveTimeout = 72_000;
const port = portOf(server);
process.on('disconnect', () => process.exit());
process.once('message', async (proxied: number) => {
  await PEERS[peer]?.(server);
  if (peer !== 'plugin') deregisterFirst(await register(proxied));
  process.send?.({ registered: true });
});
process.send?.({ port });
