import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { LosslessError } from '../errors.ts';
import type { Clock } from '../lifecycle/clock.ts';

/** Header that carries the signature of a GoAway. */
export const SIGNATURE_HEADER = 'lossless-signature';

/** How far the sender's clock may be off, in milliseconds, each way. */
const SKEW_MS = 60_000;

/** Most nonces remembered: 800 GoAways a second for the two minutes in which one could come again. */
const MOST_NONCES = 100_000;

const FORMAT = /^t=(?<time>\d{1,16});n=(?<nonce>[A-Za-z0-9_-]{22});s=(?<mac>[A-Za-z0-9_-]{43})$/;

/**
 * Signs `body` for one receiver: HMAC-SHA256 over time, nonce, receiver and body.
 *
 * @param audience `instanceId` of the consumer it is sent to, so that it cannot be replayed to another
 * @param wallMs the sender's wall clock, in milliseconds since the Unix epoch
 */
export function sign(secret: string, audience: string, body: string, wallMs: number): string {
  const time = String(Math.round(wallMs));
  const nonce = randomBytes(16).toString('base64url');
  return `t=${time};n=${nonce};s=${mac(secret, time, nonce, audience, body)}`;
}

/** Checks signatures, each of which is accepted once. */
export class Verifier {
  readonly #secret: string;
  readonly #clock: Clock;
  readonly #seen = new Map<string, number>();

  constructor(secret: string, clock: Clock) {
    this.#secret = secret;
    this.#clock = clock;
  }

  /**
   * @param audience `instanceId` of this consumer
   * @throws LosslessError LOSSLESS_SIGNATURE_INVALID when missing, malformed, for somebody else, too old or new, or seen before
   */
  verify(header: string | undefined, audience: string, body: string): void {
    const { time = '', nonce = '', mac: received = '' } = FORMAT.exec(header ?? '')?.groups ?? {};
    if (received === '') throw invalid(`expected a \`${SIGNATURE_HEADER}\` header t=...;n=...;s=...`);
    const expected = mac(this.#secret, time, nonce, audience, body);
    if (!timingSafeEqual(Buffer.from(received), Buffer.from(expected)))
      throw invalid('it does not match: check that both sides have the same LOSSLESS_SECRET');
    const now = this.#clock.wall();
    const skew = Math.abs(now - Number(time));
    if (skew > SKEW_MS)
      throw invalid(
        `its time is ${Math.round(skew / 1_000)} s off; expected at most ${SKEW_MS / 1_000} s: check the clocks`,
      );
    this.#remember(nonce, now);
  }

  /**
   * A full memory refuses rather than forgets: a forgotten nonce could be replayed, and only holders of the secret can fill
   * it, because nothing unsigned is remembered.
   */
  #remember(nonce: string, now: number): void {
    for (const [old, until] of this.#seen) {
      if (until >= now) break;
      this.#seen.delete(old);
    }
    if (this.#seen.has(nonce)) throw invalid('it was used before');
    if (this.#seen.size >= MOST_NONCES) throw invalid('too many signatures in two minutes');
    this.#seen.set(nonce, now + 2 * SKEW_MS);
  }
}

function mac(secret: string, time: string, nonce: string, audience: string, body: string): string {
  return createHmac('sha256', secret)
    .update(JSON.stringify([time, nonce, audience, body]))
    .digest('base64url');
}

function invalid(why: string): LosslessError {
  return new LosslessError('LOSSLESS_SIGNATURE_INVALID', `the signature is refused: ${why}`);
}
