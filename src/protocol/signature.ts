import { randomBytes } from 'node:crypto';
import { LosslessError } from '../errors.ts';
import type { Clock } from '../lifecycle/clock.ts';
import { type Keys, MOST_SECRETS, PROOF_LENGTH } from './keys.ts';

/** Header that carries the signature of a GoAway. */
export const SIGNATURE_HEADER = 'lossless-signature';

/** How far the sender's clock may be off, in milliseconds, in either direction. */
const SKEW_MS = 60_000;

/** Most nonces remembered: 800 signatures a second for the two minutes in which one could come again. */
const MOST_NONCES = 100_000;

const FORMAT = new RegExp(
  `^t=(?<time>\\d{1,16});n=(?<nonce>[A-Za-z0-9_-]{22})(?<proofs>(?:;s=[A-Za-z0-9_-]{${PROOF_LENGTH}}){1,${MOST_SECRETS}})$`,
);

/** A message that is signed for one receiver: a GoAway, or the request of an operator. */
type Signed = 'goaway' | 'operator';

/**
 * Signs `body` for one receiver: HMAC-SHA256 over time, nonce, receiver and body, once for each secret.
 *
 * @param audience the receiver, so that the message cannot be replayed to another one: the `instanceId` of a consumer, the port
 *   of a control server
 * @param wallMs the sender's wall clock, in milliseconds since the Unix epoch
 */
export function sign(keys: Keys, what: Signed, audience: string, body: string, wallMs: number): string {
  const time = String(Math.round(wallMs));
  const nonce = randomBytes(16).toString('base64url');
  return `t=${time};n=${nonce}${keys
    .prove(what, [time, nonce, audience, body])
    .map((proof) => `;s=${proof}`)
    .join('')}`;
}

/** Checks signatures, each of which is accepted once. */
export class Verifier {
  readonly #keys: Keys;
  readonly #what: Signed;
  readonly #clock: Clock;
  readonly #seen = new Map<string, number>();

  constructor(keys: Keys, what: Signed, clock: Clock) {
    this.#keys = keys;
    this.#what = what;
    this.#clock = clock;
  }

  /**
   * @param audience this receiver
   * @throws LosslessError LOSSLESS_SIGNATURE_INVALID when missing, malformed, for another receiver, too old or new, or seen
   *   before
   */
  verify(header: string | undefined, audience: string, body: string): void {
    const { time = '', nonce = '', proofs = '' } = FORMAT.exec(header ?? '')?.groups ?? {};
    if (proofs === '') throw invalid(`expected a \`${SIGNATURE_HEADER}\` header t=...;n=...;s=...`);
    if (!this.#isProved([time, nonce, audience, body], proofs.split(';s=').slice(1)))
      throw invalid('it does not match: check that both sides have the same LOSSLESS_SECRET');
    const now = this.#clock.wall();
    const skew = Math.abs(now - Number(time));
    if (skew > SKEW_MS)
      throw invalid(
        `its time is ${Math.round(skew / 1_000)} s off; expected at most ${SKEW_MS / 1_000} s: check the clocks`,
      );
    this.#remember(nonce, now);
  }

  #isProved(parts: readonly string[], proofs: readonly string[]): boolean {
    return (
      this.#keys.isProved(this.#what, parts, proofs) ||
      (this.#what === 'goaway' && this.#keys.isProvedBy010(parts, proofs))
    );
  }

  /**
   * A full memory refuses new signatures and forgets none, because a forgotten nonce could be replayed. Only holders of the
   * secret can fill it, because unsigned messages are not remembered.
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

function invalid(why: string): LosslessError {
  return new LosslessError('LOSSLESS_SIGNATURE_INVALID', `the signature is refused: ${why}`);
}
