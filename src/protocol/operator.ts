import { randomBytes } from 'node:crypto';
import type { Clock } from '../lifecycle/clock.ts';
import type { Keys } from './keys.ts';
import { sign, Verifier } from './signature.ts';

/** Where a control server proves that it has the secret, before anybody shows it anything. */
export const CHALLENGE_PATH = '/lossless/challenge';

/** Authentication scheme of a signed request (RFC 9110, 11.1). */
const SCHEME = 'Lossless ';

const NONCE = /^[A-Za-z0-9_-]{22}$/;

/**
 * Where a control server is, as its own end and the caller's end of a connection see it alike, whatever translates addresses
 * between machines: the port, and whether it is on this machine. So nobody at a port of this machine can pass on what it is asked
 * to an instance on another one.
 */
export function placeOf(address: string | undefined, port: number | undefined): string {
  const isHere = /^(::1|(::ffff:)?127(\.\d{1,3}){3})$/i.test(address ?? '');
  return `${isHere ? 'here' : 'elsewhere'}:${port}`;
}

/** What a command asks a control server to prove. */
export function newChallenge(): string {
  return randomBytes(16).toString('base64url');
}

/** Whether `proofs` answer `challenge`, made by the control server at `place` and by no other one. */
export function isAnswer(keys: Keys, challenge: string, place: string, proofs: readonly string[]): boolean {
  return keys.isProved('answer', [challenge, place], proofs);
}

/**
 * The `authorization` header of one request of an operator. It is good for this method, path and place, once, for a minute;
 * nothing can be learnt from it.
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

  /** Proofs that this control server, at `place`, has the secret; undefined when `challenge` is none. */
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
