import { randomBytes } from 'node:crypto';
import type { Clock } from '../lifecycle/clock.ts';
import type { Keys } from './keys.ts';
import { sign, Verifier } from './signature.ts';

/** Where a control server proves that it has the secret, before anybody shows it anything. */
export const CHALLENGE_PATH = '/lossless/challenge';

/** Authentication scheme of a signed request (RFC 9110, 11.1). */
const SCHEME = 'Lossless ';

const NONCE = /^[A-Za-z0-9_-]{22}$/;

/** What a command asks a control server to prove. */
export function newChallenge(): string {
  return randomBytes(16).toString('base64url');
}

/** Whether `proofs` answer `challenge`, made by the control server that listens on `port` and by no other one. */
export function isAnswer(keys: Keys, challenge: string, port: number, proofs: readonly string[]): boolean {
  return keys.isProved('answer', [challenge, String(port)], proofs);
}

/**
 * The `authorization` header of one request of an operator. It is good for this method, path and port, once, for a minute;
 * nothing can be learnt from it.
 */
export function authorize(keys: Keys, method: string, path: string, port: number, wallMs: number): string {
  return SCHEME + sign(keys, 'operator', String(port), `${method} ${path}`, wallMs);
}

/** The operator side of a control server with a secret. */
export class Operators {
  readonly #keys: Keys;
  readonly #verifier: Verifier;

  constructor(keys: Keys, clock: Clock) {
    this.#keys = keys;
    this.#verifier = new Verifier(keys, 'operator', clock);
  }

  /** Proofs that this control server, at `port`, has the secret; undefined when `challenge` is none. */
  answer(challenge: string, port: number): readonly string[] | undefined {
    return NONCE.test(challenge) ? this.#keys.prove('answer', [challenge, String(port)]) : undefined;
  }

  /** Whether a request proves that its sender has the secret: by a signature, or by the bearer token. */
  isProved(authorization: string | undefined, method: string, path: string, port: number): boolean {
    if (authorization === undefined) return false;
    if (!authorization.startsWith(SCHEME))
      return authorization.startsWith('Bearer ') && this.#keys.isToken(authorization.slice('Bearer '.length));
    try {
      this.#verifier.verify(authorization.slice(SCHEME.length), String(port), `${method} ${path}`);
      return true;
    } catch {
      return false;
    }
  }
}
