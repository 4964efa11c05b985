import type { Clock } from '../lifecycle/clock.ts';
import { consumerProof, decodeConsumer } from './header.ts';
import type { Caller } from './identity.ts';
import type { Keys } from './keys.ts';

/** How often a consumer signs its header, in milliseconds: with each new minute, and with each new key. */
export const SIGNED_MS = 5_000;

/** How long a signed header is valid, and how far its sender's clock may be off, in milliseconds, in either direction. */
const BELIEVED_MS = 600_000;

/** Most valid headers in memory, one for each consumer at a time. */
const MOST_REMEMBERED = 1_000;

/** Reads `lossless-consumer` headers: the caller, or undefined when the header is not valid. */
export class ConsumerReader {
  readonly #keys: Keys | undefined;
  readonly #clock: Clock;
  readonly #refused: (why: string, caller: Caller) => void;
  /** Valid headers. Only holders of the secret can fill this map. */
  readonly #proved = new Map<string, Proved>();
  #version: unknown;

  /**
   * @param keys with keys only signed headers are valid
   * @param refused called with the reason for a well-formed header that is not valid. Strangers can trigger it
   */
  constructor(keys: Keys | undefined, clock: Clock, refused: (why: string, caller: Caller) => void) {
    this.#keys = keys;
    this.#clock = clock;
    this.#refused = refused;
  }

  /** Costs an HMAC for a header that is not in memory, and a look-up for one that is. */
  read(header: string): Caller | undefined {
    if (this.#keys === undefined) return decodeConsumer(header);
    this.#forgetOldKeys(this.#keys);
    const known = this.#proved.get(header);
    if (known !== undefined && this.#offBy(known.signedAt) <= BELIEVED_MS) return known.caller;
    const caller = decodeConsumer(header, true);
    if (caller === undefined) return undefined;
    const proof = consumerProof(header);
    if (proof === undefined) return this.#refuse(caller, 'it is not signed, and a secret is set here');
    if (!this.#keys.isProved('consumer', [proof.claim], proof.proofs))
      return this.#refuse(caller, 'it does not match: check that both sides have the same LOSSLESS_SECRET');
    const off = this.#offBy(proof.signedAt);
    if (off > BELIEVED_MS)
      return this.#refuse(
        caller,
        `its time is ${Math.round(off / 1_000)} s off; expected at most ${BELIEVED_MS / 1_000} s: check the clocks`,
      );
    this.#remember(header, { caller, signedAt: proof.signedAt });
    return caller;
  }

  #refuse(caller: Caller, why: string): undefined {
    this.#refused(why, caller);
  }

  #offBy(signedAt: number): number {
    return Math.abs(this.#clock.wall() - signedAt);
  }

  /** A header signed with a removed secret is no longer valid. */
  #forgetOldKeys({ version }: Keys): void {
    if (version !== this.#version) this.#proved.clear();
    this.#version = version;
  }

  #remember(header: string, proved: Proved): void {
    if (this.#proved.size >= MOST_REMEMBERED) this.#proved.delete(this.#proved.keys().next().value as string);
    this.#proved.set(header, proved);
  }
}

/** The caller of a valid header, and the time of its signature, in milliseconds since the Unix epoch. */
interface Proved {
  readonly caller: Caller;
  readonly signedAt: number;
}
