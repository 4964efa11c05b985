import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ErrorCode, LosslessError } from '../errors.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { Journal } from '../lifecycle/journal.ts';
import type { Log } from '../log.ts';
import { AUDIENCE_HEADER, decodeGoAway, encodeAck, encodeIdle, GOAWAY_LIMIT } from '../protocol/goaway.ts';
import type { GoAway, Identity } from '../protocol/identity.ts';
import { SIGNATURE_HEADER, type Verifier } from '../protocol/signature.ts';
import { decodeTraceparent } from '../protocol/traceparent.ts';
import type { Registry } from '../registry/registry.ts';
import { ATTR, type SpanAttributes } from '../trace/schema.ts';
import type { Consumer, GoAwayOutcome, Isolation } from './consumer.ts';
import { SenderCheck } from './sender.ts';

/** Longest time until the second line, in milliseconds: the longest isolation. */
const IDLE_MS = 600_000;

/** Most addresses on a span. */
const MOST_ADDRESSES = 100;

export interface ReceiverOptions {
  readonly consumer: Consumer;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly log: Log;
  readonly self: () => Identity;
  /** This process sends nothing more, and may not live long enough to tell its part: for a provider it has ended. */
  readonly hasLeft: () => boolean;
  /** Checks signatures; undefined: no secret is configured, and the source address decides. */
  readonly verifier: Verifier | undefined;
}

/** Answers `POST /lossless/goaway`. */
export type Receiver = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/**
 * Takes GoAways: isolates, answers the first line, reads the list again, and answers the second line when nothing is
 * outstanding any more. Malformed ones are answered with 400, oversized with 413, those of somebody else with 403, those meant for another process with 410.
 */
export function createReceiver(options: ReceiverOptions): Receiver {
  const { consumer, registry, clock } = options;
  const senders = new SenderCheck(consumer, registry, clock);
  return async (request, response) => {
    const remoteParent = decodeTraceparent(textOf(request.headers['traceparent']));
    try {
      const body = await readBody(request);
      if (options.hasLeft()) throw new LosslessError('LOSSLESS_AUDIENCE_GONE', 'this process has left');
      if (body === undefined) throw new Oversized();
      const audience = textOf(request.headers[AUDIENCE_HEADER]);
      const { instanceId } = options.self();
      if (audience !== undefined && audience !== instanceId)
        throw new LosslessError('LOSSLESS_AUDIENCE_GONE', `expected ${instanceId}, received ${audience}`);
      options.verifier?.verify(textOf(request.headers[SIGNATURE_HEADER]), instanceId, body);
      const goAway = decodeGoAway(body);
      const isOurs =
        options.verifier !== undefined || (await isFromNamed(senders, goAway, request.socket.remoteAddress ?? ''));
      consumer.took(isOurs ? 'isolated' : 'unused');
      const isolation = isOurs ? consumer.goAway(goAway) : UNUSED;
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      const { outstanding, others } = isolation;
      response.write(encodeAck({ isolated: true, outstanding, ...(others !== undefined && { others }) }));
      const work = options.journal.start('consumer.refresh', {
        ...(remoteParent && { remoteParent }),
        attributes: attributesOf(goAway, isolation),
      });
      const { result, addresses, error } = await isolation.refreshed;
      const known: SpanAttributes = {
        [ATTR.refreshResult]: result,
        [ATTR.addresses]: addresses.slice(0, MOST_ADDRESSES),
        [ATTR.addressCount]: addresses.length,
      };
      if (error === undefined) work.end(known);
      else work.end(known, { type: error instanceof LosslessError ? error.code : 'timeout', message: error.message });
      await sayIdle(clock, response, isolation);
    } catch (thrown) {
      if (!(thrown instanceof LosslessError)) throw thrown;
      const { code, message } = thrown;
      const { status, outcome } = REFUSALS[code] ?? FORBIDDEN;
      consumer.took(outcome);
      options.log('warn', `a GoAway was refused: ${message}`, { code, ...(remoteParent && { ids: remoteParent }) });
      refuse(response, thrown instanceof Oversized ? 413 : status, code, message);
    }
  };
}

interface Refusal {
  readonly status: number;
  readonly outcome: GoAwayOutcome;
}

const FORBIDDEN: Refusal = { status: 403, outcome: 'forbidden' };

const REFUSALS: Readonly<Partial<Record<ErrorCode, Refusal>>> = {
  LOSSLESS_GOAWAY_INVALID: { status: 400, outcome: 'invalid' },
  LOSSLESS_AUDIENCE_GONE: { status: 410, outcome: 'gone' },
  LOSSLESS_SIGNATURE_INVALID: FORBIDDEN,
  LOSSLESS_SENDER_FORBIDDEN: FORBIDDEN,
};

/** A body that is too long. */
class Oversized extends LosslessError {
  constructor() {
    super('LOSSLESS_GOAWAY_INVALID', `expected a body of at most ${GOAWAY_LIMIT} bytes`);
  }
}

/** The answer when this process never had a list of the service. */
const UNUSED: Isolation = {
  outstanding: 0,
  others: undefined,
  before: [],
  idle: Promise.resolve([]),
  refreshed: Promise.resolve({ result: 'unused', addresses: [] }),
};

/** @throws LosslessError LOSSLESS_SENDER_FORBIDDEN */
async function isFromNamed(senders: SenderCheck, { provider }: GoAway, remoteAddress: string): Promise<boolean> {
  const sender = await senders.check(provider, remoteAddress);
  if (sender === 'other')
    throw new LosslessError(
      'LOSSLESS_SENDER_FORBIDDEN',
      `expected the address at which ${provider.instanceId} is registered, received ${remoteAddress}: set LOSSLESS_SECRET behind address translation`,
    );
  return sender === 'named';
}

function attributesOf(
  { provider }: GoAway,
  { before }: Isolation,
): Readonly<Record<string, string | number | boolean | readonly string[]>> {
  return {
    [ATTR.providerService]: provider.service,
    [ATTR.providerInstanceId]: provider.instanceId,
    [ATTR.providerGeneration]: provider.generation,
    [ATTR.providerAddress]: provider.address,
    [ATTR.addressesBefore]: before.slice(0, MOST_ADDRESSES),
    [ATTR.addressCountBefore]: before.length,
    [ATTR.isolated]: true,
  };
}

/** The second line, when idle; none when that takes too long or the provider has gone. */
async function sayIdle(clock: Clock, response: ServerResponse, { idle }: Isolation): Promise<void> {
  const gone = Promise.withResolvers<undefined>();
  const timer = clock.after(IDLE_MS, () => gone.resolve(undefined));
  response.once('close', () => gone.resolve(undefined));
  const addresses = await Promise.race([idle, gone.promise]);
  timer.cancel();
  if (response.destroyed) return;
  // Whoever still calls the service is idle only once there is somebody else to call.
  response.end(addresses && encodeIdle({ idle: true, addresses, ...(addresses.length === 0 && { unused: true }) }));
}

/** The body; undefined when it is too long. The connection stays, so that the refusal can be written. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > GOAWAY_LIMIT) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  if (response.headersSent) return void response.destroy();
  const body = `${JSON.stringify({ code, message })}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  response.end(body);
}

function textOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined;
}
