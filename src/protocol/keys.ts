import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { sameText } from './same-text.ts';

/**
 * What a proof is for, and by which of the two keys of a secret: one signs what instances say to each other, the other one
 * proves operators, and whom they speak to. A proof for one purpose is none for another.
 */
const PURPOSES = { consumer: 'signing', goaway: 'signing', operator: 'operator', answer: 'operator' } as const;

/** What a proof is for. */
export type Purpose = keyof typeof PURPOSES;

/** How long a proof is, in characters of base64url: HMAC-SHA256. */
export const PROOF_LENGTH = 43;

/** Most secrets at a time: the one that goes and the one that comes. */
export const MOST_SECRETS = 2;

/** What is made of one secret. Neither key tells the other one, nor the secret. */
interface Derived {
  readonly secret: string;
  readonly signing: KeyObject;
  readonly operator: KeyObject;
  readonly token: string;
}

/**
 * The keys of the fleet, derived by HKDF-SHA256 (RFC 5869) from the secrets that are accepted now. Nothing but what is made
 * with them crosses the wire. While a secret is replaced there are two: whoever proves something proves it with both, and
 * whoever checks takes either.
 */
export class Keys {
  readonly #secrets: () => readonly string[];
  #from: readonly string[] = [];
  #derived: readonly Derived[] = [];

  /** @param secrets one or two, as they are now; the same array as long as they are the same */
  constructor(secrets: () => readonly string[]) {
    this.#secrets = secrets;
  }

  /** Another value whenever the secrets have changed. */
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

  /** Whether one of `proofs` proves `parts`, by one of the secrets. */
  isProved(purpose: Purpose, parts: readonly string[], proofs: readonly string[]): boolean {
    return this.prove(purpose, parts).some((expected) => proofs.some((proof) => sameText(proof, expected)));
  }

  /**
   * Whether `proofs` are what version 0.1.0 made of `parts`: with the secret itself as the key. Taken for GoAways, so that
   * instances of that version can leave losslessly while a fleet moves on to this one.
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
