/**
 * The one application of the demo: an HTTP server that does a little work and passes the request on. It does not know of
 * the plugin. With `--grpc` it is a server of gRPC too, and makes every other call by gRPC. The base set has hand-written
 * `register` and `pick`, as a careful team writes them (see `by-hand.ts`); in the gray set the plugin does both.
 * Arguments: name, the next service, host, the registry of the hand-written set, and the file of grpc-js.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ProtocolEndpoint } from '../../registry/endpoints.ts';
import { GrpcCalls, PassError } from './grpc-calls.ts';

const [name = '', next = '', host = '', byHand = '', grpcFile = ''] = process.argv.slice(2);

/** Time a request takes by itself, in milliseconds: a small look-up. */
const WORK_MS = 5;

const hand = byHand === '' ? undefined : await import('./by-hand.ts').then(({ start }) => start(name, byHand));
const grpc = grpcFile === '' ? undefined : new GrpcCalls(grpcFile);
/** How the next calls are made. */
const ways = inTurn(grpc === undefined ? [byHttp] : [byGrpc(grpc), byHttp]);

/** @throws PassError when the next service does not answer */
async function work(body: string): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, WORK_MS));
  if (next === '') return body;
  try {
    return await ways.next().value(body);
  } catch (thrown) {
    if (thrown instanceof PassError) throw thrown;
    const error = thrown as Error & { cause?: { code?: string } };
    throw new PassError(`${name} -> ${next}: ${error.cause?.code ?? error.message}`);
  }
}

async function byHttp(body: string): Promise<string> {
  const authority = hand === undefined ? next : (await hand.pick(next, 'http')).address;
  const answer = await fetch(`http://${authority}/work`, { method: 'POST', body });
  const said = await answer.text();
  if (!answer.ok) throw new PassError(said);
  return said;
}

function byGrpc(calls: GrpcCalls): (body: string) => Promise<string> {
  return async (body) => {
    if (hand === undefined) return calls.call(`lossless:///${next}`, body);
    const { address, listed } = await hand.pick(next, 'grpc');
    calls.keep(listed);
    return calls.call(address, body);
  };
}

/** Yields one after the other, again and again. */
function* inTurn<T>(some: readonly T[]): Generator<T, never> {
  for (;;) yield* some;
}

const server = createServer((request, response) => {
  text(request)
    .then(work)
    .then(
      (body) => response.end(body),
      (error: Error) => response.writeHead(502).end(error.message),
    );
});

// The gateway never leaves. With the default of 5 s, an idle connection can expire while a request of the load is on its way: on a
// busy machine, both sets would lose requests by that race.
if (name === 'gateway') server.keepAliveTimeout = 120_000;

const serving = await grpc?.serve(host, work);
server.listen(0, host, async () => {
  const { port } = server.address() as AddressInfo;
  const endpoints: ProtocolEndpoint[] = [{ protocol: 'http', port, secure: false }];
  if (serving !== undefined) endpoints.push({ protocol: 'grpc', port: serving.port, secure: false });
  const closed = (): Promise<unknown> => new Promise((done) => server.close(done));
  await hand?.register({ host, port, endpoints }, () => Promise.all([closed(), serving?.shutdown()]));
  process.send?.({ port });
});

// End with the demo.
process.on('disconnect', () => process.exit());
