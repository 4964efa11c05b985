import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Receiver } from '../consumer/goaway/receiver.ts';
import { answer, type Route } from '../control/control-server.ts';
import type { OfflineTrigger } from '../lifecycle/outcomes.ts';
import type { SpanIds } from '../lifecycle/records.ts';
import type { Refusal } from '../lifecycle/refusal.ts';
import type { State } from '../lifecycle/transitions.ts';
import type { Exposition } from '../metrics/prometheus.ts';
import { AUDIENCE_HEADER, GOAWAY_PATH } from '../protocol/goaway.ts';
import type { Identity } from '../protocol/identity.ts';
import { CHALLENGE_PATH, type Operators, placeOf } from '../protocol/operator.ts';
import { decodeTraceparent } from '../protocol/traceparent.ts';
import type { OfflineHandle } from '../provider/attendance.ts';

/** The part of the plugin that the control server uses. */
export interface Controlled {
  readonly identity: Identity;
  readonly state: State;
  readonly isReady: boolean;
  readonly isLeaving: boolean;
  status(): object;
  metrics(accept: string, isOperator: boolean): Promise<Exposition>;
  offline(trigger: OfflineTrigger, links: readonly SpanIds[]): OfflineHandle;
  online(): Promise<Refusal | undefined>;
  /** A balancer has checked whether the instance can be used. */
  checked(address: string | undefined, agent: string | undefined): void;
  exit(): void;
}

/** The routes of the control server. */
export function controlRoutes(
  instance: Controlled,
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
      handle: (request, response, { query }) =>
        answerOffline(instance, request, response, query.get('wait') === 'true'),
    },
    '/online': {
      methods: ['GET', 'POST'],
      access: 'operator',
      changes: true,
      handle: (_, response) => answerOnline(instance, response),
    },
    '/status': {
      methods: ['GET'],
      access: 'operator',
      handle: (_, response) => answer(response, 200, instance.status()),
    },
    '/metrics': {
      methods: ['GET', 'HEAD'],
      access: 'open',
      handle: (request, response, { isOperator }) => answerMetrics(instance, request, response, isOperator),
    },
    '/readiness': {
      methods: ['GET', 'HEAD'],
      access: 'open',
      handle: ({ headers, socket }, response) => {
        instance.checked(socket.remoteAddress, headers['user-agent']);
        answer(response, instance.isReady ? 200 : 503, { state: instance.state, ready: instance.isReady });
      },
    },
    '/liveness': {
      methods: ['GET', 'HEAD'],
      access: 'open',
      handle: (request, response) => {
        const audience = request.headers[AUDIENCE_HEADER];
        const isMeant = audience === undefined || audience === instance.identity.instanceId;
        answer(response, isMeant ? 200 : 410, { state: instance.state });
      },
    },
  };
}

/** The span that a `traceparent` names, as a link: a cause, not a parent. */
export function causeOf(traceparent: string | undefined): readonly SpanIds[] {
  const ids = decodeTraceparent(traceparent);
  return ids === undefined ? [] : [ids];
}

/** Proves to an operator, before the operator sends any proof, that this instance has the secret. */
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

/** Begins or joins the offline. An offline that begins here ends the process afterwards. */
async function answerOffline(
  instance: Controlled,
  request: IncomingMessage,
  response: ServerResponse,
  wait: boolean,
): Promise<void> {
  const joined = instance.isLeaving;
  const { traceId, url, done } = instance.offline(
    'endpoint',
    causeOf(request.headers['traceparent'] as string | undefined),
  );
  if (traceId === undefined) return answer(response, 409, await done);
  const closed = new Promise((resolve) => response.once('close', resolve));
  if (!wait) answer(response, 202, { state: instance.state, traceId, url });
  const report = await done;
  if (wait && !response.destroyed) {
    response.shouldKeepAlive = false;
    answer(response, 200, { state: instance.state, url, ...report });
    await closed;
  }
  if (!joined && report.result !== 'cancelled') instance.exit();
}

async function answerMetrics(
  instance: Controlled,
  request: IncomingMessage,
  response: ServerResponse,
  isOperator: boolean,
): Promise<void> {
  const { body, contentType } = await instance.metrics(String(request.headers.accept), isOperator);
  response.writeHead(200, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

async function answerOnline(instance: Controlled, response: ServerResponse): Promise<void> {
  const refused = await instance.online();
  if (refused !== undefined) return answer(response, 409, refused);
  answer(response, 200, { state: instance.state, message: 'the offline was undone' });
}
