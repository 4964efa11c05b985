import { randomBytes } from 'node:crypto';
import type { Clock } from '../lifecycle/clock.ts';
import type { Keys } from './keys.ts';
import { sign, Verifier } from './signature.ts';

/** Path at which a control server proves that it has the secret, before a command sends it anything. */
export const CHALLENGE_PATH = '/lossless/challenge';

/** Authentication scheme of a signed request (RFC 9110, 11.1). */
const SCHEME = 'Lossless ';

const NONCE = /^[A-Za-z0-9_-]{22}$/;

/**
 * The place of a control server, which both ends of a connection see alike, even behind address translation: the port, and
 * whether it is on this machine. A process at a port of this machine therefore cannot forward a challenge to an instance on
 * another one.
 */
export function placeOf(address: string | undefined, port: number | undefined): string {
  const isHere = /^(::1|(::ffff:)?127(\.\d{1,3}){3})$/i.test(address ?? '');
  return `${isHere ? 'here' : 'elsewhere'}:${port}`;
}

/** The challenge of a command to a control server. */
export function newChallenge(): string {
  return randomBytes(16).toString('base64url');
}

/** Whether `proofs` answer `challenge` and come from the control server at `place`. */
export function isAnswer(keys: Keys, challenge: string, place: string, proofs: readonly string[]): boolean {
  return keys.isProved('answer', [challenge, place], proofs);
}

/**
 * The `authorization` header of one request of an operator. It is valid for this method, path and place, once, for a minute; it
 * reveals nothing else.
 */
export function authorize(keys: Keys, method: string, path: string, place: string, wallMs: number): string {
  return SCHEME + sign(keys, 'operator', place, `${method} ${path}`, wallMs);
}

/** The operator side of a control server with a secret. */
export class Operators {
  readonly #keys: Keys;
  readonly #verifier: Verifier;

  constructor(keys: Keys, clock: Clock) {
    this.#keys = keys;
    this.#verifier = new Verifier(keys, 'operator', clock);
  }

  /** Proofs that this control server, at `place`, has the secret; undefined when `challenge` is malformed. */
  answer(challenge: string, place: string): readonly string[] | undefined {
    return NONCE.test(challenge) ? this.#keys.prove('answer', [challenge, place]) : undefined;
  }

  /** Whether a request proves that its sender has the secret: by a signature, or by the bearer token. */
  isProved(authorization: string | undefined, method: string, path: string, place: string): boolean {
    if (authorization === undefined) return false;
    if (!authorization.startsWith(SCHEME))
      return authorization.startsWith('Bearer ') && this.#keys.isToken(authorization.slice('Bearer '.length));
    try {
      this.#verifier.verify(authorization.slice(SCHEME.length), place, `${method} ${path}`);
      return true;
    } catch {
      return false;
    }
  }
}
