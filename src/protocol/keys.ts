import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { sameText } from './same-text.ts';

/**
 * The purposes of proofs, and the key of each. One key of a secret signs messages between instances; the other one proves
 * operators, and control servers to operators. A proof for one purpose is not valid for another.
 */
const PURPOSES = { consumer: 'signing', goaway: 'signing', operator: 'operator', answer: 'operator' } as const;

/** The purpose of a proof. */
export type Purpose = keyof typeof PURPOSES;

/** Length of a proof, in characters of base64url: HMAC-SHA256. */
export const PROOF_LENGTH = 43;

/** Most secrets at a time: the old and the new one. */
export const MOST_SECRETS = 2;

/** The keys of one secret. Neither key reveals the other one or the secret. */
interface Derived {
  readonly secret: string;
  readonly signing: KeyObject;
  readonly operator: KeyObject;
  readonly token: string;
}

/**
 * The keys of the fleet, derived by HKDF-SHA256 (RFC 5869) from the current secrets. Only proofs and tokens made with them cross
 * the wire. While a secret is replaced there are two: the sender proves with both, and the receiver accepts either.
 */
export class Keys {
  readonly #secrets: () => readonly string[];
  #from: readonly string[] = [];
  #derived: readonly Derived[] = [];

  /** @param secrets returns the current one or two secrets; the same array until they change */
  constructor(secrets: () => readonly string[]) {
    this.#secrets = secrets;
  }

  /** A value that changes with the secrets. */
  get version(): unknown {
    return this.#secrets();
  }

  /** The bearer token of the first secret. */
  get token(): string {
    return this.#now()[0]?.token ?? '';
  }

  /** Whether `text` is the bearer token of one of the secrets. */
  isToken(text: string): boolean {
    return this.#now().some(({ token }) => sameText(text, token));
  }

  /** A proof of `parts` for each secret. */
  prove(purpose: Purpose, parts: readonly string[]): readonly string[] {
    return this.#now().map((derived) => mac(derived[PURPOSES[purpose]], [purpose, ...parts]));
  }

  /** Whether one of `proofs` proves `parts` with one of the secrets. */
  isProved(purpose: Purpose, parts: readonly string[], proofs: readonly string[]): boolean {
    return this.prove(purpose, parts).some((expected) => proofs.some((proof) => sameText(proof, expected)));
  }

  /**
   * Whether `proofs` are those of version 0.1.0 for `parts`, with the secret itself as the key. Accepted for GoAways, so that
   * instances of that version leave losslessly while a fleet is updated.
   */
  isProvedBy010(parts: readonly string[], proofs: readonly string[]): boolean {
    return this.#now().some(({ secret }) => proofs.some((proof) => sameText(proof, mac(secret, parts))));
  }

  #now(): readonly Derived[] {
    const secrets = this.#secrets();
    if (secrets === this.#from) return this.#derived;
    this.#from = secrets;
    this.#derived = secrets.map((secret) => {
      const operator = derive(secret, 'lossless-lifecycle operator');
      return {
        secret,
        signing: createSecretKey(derive(secret, 'lossless-lifecycle signing')),
        operator: createSecretKey(operator),
        token: operator.toString('base64url'),
      };
    });
    return this.#derived;
  }
}

function derive(secret: string, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', info, 32));
}

function mac(key: KeyObject | string, parts: readonly string[]): string {
  return createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64url');
}
