import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Receiver } from './consumer/receiver.ts';
import type { SpanIds } from './lifecycle/records.ts';
import type { Plugin } from './plugin.ts';
import { AUDIENCE_HEADER, GOAWAY_PATH } from './protocol/goaway.ts';
import { CHALLENGE_PATH, type Operators, placeOf } from './protocol/operator.ts';
import { decodeTraceparent } from './protocol/traceparent.ts';
import { answer, type Route } from './provider/control.ts';

/** What the control server answers. */
export function controlRoutes(
  plugin: Plugin,
  receive: Receiver,
  operators: Operators | undefined,
): Readonly<Record<string, Route>> {
  return {
    [GOAWAY_PATH]: { methods: ['POST'], access: 'instance', handle: receive },
    [CHALLENGE_PATH]: {
      methods: ['GET'],
      access: 'open',
      handle: (request, response, { query }) => answerChallenge(operators, request, response, query.get('nonce') ?? ''),
    },
    '/offline': {
      methods: ['GET', 'POST'],
      access: 'operator',
      changes: true,
      parameters: ['wait'],
      handle: (request, response, { query }) => answerOffline(plugin, request, response, query.get('wait') === 'true'),
    },
    '/online': {
      methods: ['GET', 'POST'],
      access: 'operator',
      changes: true,
      handle: (_, response) => answerOnline(plugin, response),
    },
    '/status': {
      methods: ['GET'],
      access: 'operator',
      handle: (_, response) => answer(response, 200, plugin.status()),
    },
    '/metrics': {
      methods: ['GET', 'HEAD'],
      access: 'open',
      handle: (request, response, { isOperator }) => answerMetrics(plugin, request, response, isOperator),
    },
    '/readiness': {
      methods: ['GET', 'HEAD'],
      access: 'open',
      handle: (_, response) =>
        answer(response, plugin.isReady ? 200 : 503, { state: plugin.state, ready: plugin.isReady }),
    },
    '/liveness': {
      methods: ['GET', 'HEAD'],
      access: 'open',
      handle: (request, response) => {
        const audience = request.headers[AUDIENCE_HEADER];
        const isMeant = audience === undefined || audience === plugin.identity.instanceId;
        answer(response, isMeant ? 200 : 410, { state: plugin.state });
      },
    },
  };
}

/** The span that a `traceparent` names, as a link: a cause, not a parent. */
export function causeOf(traceparent: string | undefined): readonly SpanIds[] {
  const ids = decodeTraceparent(traceparent);
  return ids === undefined ? [] : [ids];
}

/** Proves to an operator, who has shown nothing yet, that this instance has the secret. */
function answerChallenge(
  operators: Operators | undefined,
  { socket }: IncomingMessage,
  response: ServerResponse,
  nonce: string,
): void {
  const proofs = operators?.answer(nonce, placeOf(socket.localAddress, socket.localPort));
  if (proofs !== undefined) answer(response, 200, { proofs });
  else if (operators === undefined) answer(response, 404, { message: 'no secret is set here' });
  else answer(response, 400, { message: 'expected `nonce`: 22 characters of base64url' });
}

/** Begins or joins the offline; who began it here has the process end after it. */
async function answerOffline(
  plugin: Plugin,
  request: IncomingMessage,
  response: ServerResponse,
  wait: boolean,
): Promise<void> {
  const joined = plugin.isLeaving;
  const { traceId, url, done } = plugin.offline(
    'endpoint',
    causeOf(request.headers['traceparent'] as string | undefined),
  );
  if (traceId === undefined) return answer(response, 409, await done);
  const closed = new Promise((resolve) => response.once('close', resolve));
  if (!wait) answer(response, 202, { state: plugin.state, traceId, url });
  const report = await done;
  if (wait && !response.destroyed) {
    response.shouldKeepAlive = false;
    answer(response, 200, { state: plugin.state, url, ...report });
    await closed;
  }
  if (!joined && report.result !== 'cancelled') plugin.exit();
}

async function answerMetrics(
  plugin: Plugin,
  request: IncomingMessage,
  response: ServerResponse,
  isOperator: boolean,
): Promise<void> {
  const { body, contentType } = await plugin.metrics(String(request.headers.accept), isOperator);
  response.writeHead(200, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

async function answerOnline(plugin: Plugin, response: ServerResponse): Promise<void> {
  const refused = await plugin.online();
  if (refused !== undefined) return answer(response, 409, refused);
  answer(response, 200, { state: plugin.state, message: 'the offline was undone' });
}
