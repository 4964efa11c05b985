import type { Clock } from '../lifecycle/clock.ts';
import { consumerProof, decodeConsumer } from './header.ts';
import type { Caller } from './identity.ts';
import type { Keys } from './keys.ts';

/** How often a consumer signs its header, in milliseconds: it is another one when a minute has begun or a key has changed. */
export const SIGNED_MS = 5_000;

/** How long a signed header is believed, and how far its sender's clock may be off, in milliseconds, each way. */
const BELIEVED_MS = 600_000;

/** Most headers that are remembered as proved: as many consumers at a time. */
const MOST_REMEMBERED = 1_000;

/** Reads `lossless-consumer` headers: who calls, or undefined when it cannot be believed. */
export class ConsumerReader {
  readonly #keys: Keys | undefined;
  readonly #clock: Clock;
  readonly #refused: (why: string, caller: Caller) => void;
  /** By header. Only holders of the secret can fill it. */
  readonly #proved = new Map<string, Proved>();
  #version: unknown;

  /**
   * @param keys with them only what is signed is believed
   * @param refused told of a header that is well formed and not believed. Strangers can make it be called
   */
  constructor(keys: Keys | undefined, clock: Clock, refused: (why: string, caller: Caller) => void) {
    this.#keys = keys;
    this.#clock = clock;
    this.#refused = refused;
  }

  /** Costs a proof for a header that was not seen lately, and a look-up for one that was. */
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

  /** What was proved by a secret that is gone is proved no more. */
  #forgetOldKeys({ version }: Keys): void {
    if (version !== this.#version) this.#proved.clear();
    this.#version = version;
  }

  #remember(header: string, proved: Proved): void {
    if (this.#proved.size >= MOST_REMEMBERED) this.#proved.delete(this.#proved.keys().next().value as string);
    this.#proved.set(header, proved);
  }
}

/** Who was proved to call, and when that was signed, in milliseconds since the Unix epoch. */
interface Proved {
  readonly caller: Caller;
  readonly signedAt: number;
}
