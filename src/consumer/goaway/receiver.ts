import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { type ErrorCode, LosslessError } from '../../errors.ts';
import { boundedText } from '../../io/bounded-text.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Known } from '../../lifecycle/facts.ts';
import type { Journal } from '../../lifecycle/journal.ts';
import { within } from '../../lifecycle/within.ts';
import type { Log } from '../../log.ts';
import { AUDIENCE_HEADER, decodeGoAway, encodeAck, encodeIdle, GOAWAY_LIMIT } from '../../protocol/goaway.ts';
import type { Ack, GoAway, Identity, Idle } from '../../protocol/identity.ts';
import { hostOf } from '../../protocol/request-headers.ts';
import { SIGNATURE_HEADER, type Verifier } from '../../protocol/signature.ts';
import { decodeTraceparent } from '../../protocol/traceparent.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Consumer, GoAwayOutcome, Isolation } from '../consumer.ts';
import { Refusals } from './refusals.ts';
import { SenderCheck } from './sender.ts';

/** Longest time until the second line, in milliseconds: the longest isolation. */
const IDLE_MS = 600_000;

/** Most addresses on a span. */
const MOST_ADDRESSES = 100;

/** Longest isolation by an unsigned GoAway, in milliseconds; a provider renews it while it needs longer. */
const UNSIGNED_MS = 60_000;

/** Most characters of a sender's text in a message. */
const SHOWN = 80;

export interface ReceiverOptions {
  readonly consumer: Consumer;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly log: Log;
  readonly self: () => Identity;
  /** Version and zone of this process, for acks. */
  readonly about: Pick<Ack, 'version' | 'zone'>;
  /** The advertised host of this process, by which providers may call it; undefined: only by its addresses. */
  readonly host: string | undefined;
  /** This process sends nothing more and may exit before it can answer; for a provider it has exited. */
  readonly hasLeft: () => boolean;
  /** Checks signatures; undefined without a secret: the source address decides. */
  readonly verifier: Verifier | undefined;
}

/** Answers `POST /lossless/goaway`. It calls `keep` for a proved sender. */
export type Receiver = (
  request: IncomingMessage,
  response: ServerResponse,
  call: { readonly keep: () => void },
) => Promise<void>;

/**
 * Receives GoAways: isolates, answers the first line, reads the list again, and answers the second line when nothing is
 * outstanding any more. Status of refusals: 400 malformed, 415 not JSON, 413 oversized, 403 from a page or a wrong sender, 410
 * for another process, 421 this process's own.
 *
 * A GoAway without `traceparent` renews an isolation, or comes from a sender without spans, so it makes no span. One about a
 * service that this process does not call makes none either, because every stranger can send it.
 */
export function createReceiver(options: ReceiverOptions): Receiver {
  const { consumer, registry, clock, verifier } = options;
  const senders = new SenderCheck(consumer, registry, clock);
  const refusals = new Refusals(clock, options.log);
  return async (request, response, { keep }) => {
    const { headers, socket } = request;
    try {
      // A body that is too long does not close the connection, so that the refusal can be written.
      const body = await boundedText(request.iterator({ destroyOnReturn: false }), GOAWAY_LIMIT);
      checkHead(headers, options.host);
      if (body === undefined) throw new Oversized();
      const { instanceId } = options.self();
      const audience = textOf(headers[AUDIENCE_HEADER]) ?? instanceId;
      verifier?.verify(textOf(headers[SIGNATURE_HEADER]), audience, body);
      const goAway = decodeGoAway(body);
      // Before other checks of the receiver: the sender must learn that this address is its own.
      if (goAway.provider.instanceId === instanceId)
        throw new LosslessError('LOSSLESS_GOAWAY_SELF', 'the address of a consumer leads back to this instance');
      if (options.hasLeft()) throw new LosslessError('LOSSLESS_AUDIENCE_GONE', 'this process has left');
      if (audience !== instanceId) throw new LosslessError('LOSSLESS_AUDIENCE_GONE', 'another process was meant');
      const isOurs = verifier !== undefined || (await isFromNamed(senders, goAway, socket.remoteAddress ?? ''));
      if (!isOurs) {
        consumer.took('unused');
        response.writeHead(200, { 'content-type': 'application/x-ndjson' });
        response.end(`${encodeAck({ isolated: true, outstanding: 0, unused: true })}${encodeIdle(NOBODY)}`);
        return;
      }
      keep();
      const expiresInMs = verifier === undefined ? Math.min(goAway.expiresInMs, UNSIGNED_MS) : goAway.expiresInMs;
      consumer.took('isolated');
      const isolation = consumer.goAway({ ...goAway, expiresInMs });
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      const { outstanding, others } = isolation;
      response.write(
        encodeAck({ isolated: true, outstanding, ...(others !== undefined && { others }), ...options.about }),
      );
      await refresh(options.journal, goAway, isolation, textOf(headers['traceparent']));
      await sayIdle(clock, response, isolation);
    } catch (thrown) {
      if (!(thrown instanceof LosslessError)) throw thrown;
      const { code, message } = thrown;
      const { status, outcome } = REFUSALS[code] ?? FORBIDDEN;
      consumer.took(outcome);
      refusals.warn(code, `a GoAway was refused: ${message}`, { code });
      refuse(response, thrown instanceof Refused ? thrown.status : status, code, message);
    }
  };
}

/** The second line when this process does not depend on the provider. */
const NOBODY: Idle = { idle: true, addresses: [], unused: true };

/**
 * A page in a browser can post to this machine in its user's name. But without a preflight it cannot send JSON, it reveals its
 * origin, and under a rebound name it has that name as host.
 */
function checkHead(headers: IncomingHttpHeaders, advertised: string | undefined): void {
  const isPage = headers.origin !== undefined || (headers['sec-fetch-site'] ?? 'none') !== 'none';
  if (isPage) throw new LosslessError('LOSSLESS_SENDER_FORBIDDEN', 'expected a provider, received a page in a browser');
  const host = hostOf(headers);
  const { isIP } = process.getBuiltinModule('node:net');
  if (isIP(host) === 0 && host !== 'localhost' && host !== advertised?.toLowerCase())
    throw new LosslessError(
      'LOSSLESS_SENDER_FORBIDDEN',
      'expected an address, localhost or the host of LOSSLESS_ADVERTISE as Host, received another name',
    );
  if (!/^application\/json *(;|$)/i.test(headers['content-type'] ?? ''))
    throw new Refused(415, 'expected content-type application/json');
}

/** Reads the list again, under the span of the sender if it has one. @returns the instances that can be picked now */
async function refresh(
  journal: Journal,
  goAway: GoAway,
  isolation: Isolation,
  traceparent: string | undefined,
): Promise<readonly string[]> {
  const remoteParent = decodeTraceparent(traceparent);
  const work = remoteParent && journal.start('consumer.refresh', { remoteParent, facts: factsOf(goAway, isolation) });
  const { result, addresses, error } = await isolation.refreshed;
  work?.end(
    { result, addresses: addresses.slice(0, MOST_ADDRESSES), addressCount: addresses.length },
    error && { type: error instanceof LosslessError ? error.code : 'timeout', message: error.message },
  );
  return addresses;
}

interface Refusal {
  readonly status: number;
  readonly outcome: GoAwayOutcome;
}

const FORBIDDEN: Refusal = { status: 403, outcome: 'forbidden' };

const REFUSALS: Readonly<Partial<Record<ErrorCode, Refusal>>> = {
  LOSSLESS_GOAWAY_INVALID: { status: 400, outcome: 'invalid' },
  LOSSLESS_GOAWAY_SELF: { status: 421, outcome: 'self' },
  LOSSLESS_AUDIENCE_GONE: { status: 410, outcome: 'gone' },
  LOSSLESS_SIGNATURE_INVALID: FORBIDDEN,
  LOSSLESS_SENDER_FORBIDDEN: FORBIDDEN,
};

/** A request that is refused unread, with its status. */
class Refused extends LosslessError {
  readonly status: number;

  constructor(status: number, message: string) {
    super('LOSSLESS_GOAWAY_INVALID', message);
    this.status = status;
  }
}

/** A body that is too long. */
class Oversized extends Refused {
  constructor() {
    super(413, `expected a body of at most ${GOAWAY_LIMIT} bytes`);
  }
}

/** @throws LosslessError LOSSLESS_SENDER_FORBIDDEN */
async function isFromNamed(senders: SenderCheck, { provider }: GoAway, remoteAddress: string): Promise<boolean> {
  const sender = await senders.check(provider, remoteAddress);
  if (sender === 'other')
    throw new LosslessError(
      'LOSSLESS_SENDER_FORBIDDEN',
      `expected the address at which ${provider.instanceId.slice(0, SHOWN)} is registered, received ${remoteAddress}: set LOSSLESS_SECRET behind address translation`,
    );
  return sender === 'named';
}

function factsOf({ provider }: GoAway, { before }: Isolation): Known<'consumer.refresh'> {
  return {
    providerService: provider.service,
    providerInstanceId: provider.instanceId,
    providerGeneration: provider.generation,
    providerAddress: provider.address,
    addressesBefore: before.slice(0, MOST_ADDRESSES),
    addressCountBefore: before.length,
    isolated: true,
  };
}

/** Writes the second line when idle; none when that takes too long or the provider has gone. */
async function sayIdle(clock: Clock, response: ServerResponse, { idle }: Isolation): Promise<void> {
  const gone = new Promise<void>((resolve) => response.once('close', resolve));
  const addresses = await within(clock, IDLE_MS, Promise.race([idle, gone]), () => {});
  if (response.destroyed) return;
  // A process that still calls the service is idle only once it has another instance to call.
  response.end(addresses && encodeIdle({ idle: true, addresses, ...(addresses.length === 0 && { unused: true }) }));
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
