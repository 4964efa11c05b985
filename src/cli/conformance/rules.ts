import { asError } from '../../errors.ts';
import { sleep, systemClock } from '../../lifecycle/clock.ts';
import type { Io } from '../command.ts';

/** One rule of `docs/protocol.md` that the command tests over the wire. */
export interface Rule {
  readonly of: 'consumer' | 'provider';
  readonly text: string;
  /** No request fails when an implementation breaks this rule, but the fleet knows less. */
  readonly optional?: true;
  /** The command tests this rule only when a secret is set. */
  readonly secret?: true;
}

/** The rules, in the order in which the command tests them. */
export const RULES = {
  C1: { of: 'consumer', text: 'The consumer sends a valid `lossless-consumer` header with each request.' },
  C2: {
    of: 'consumer',
    text: 'The consumer answers `GET /liveness` with 200, or with 410 if it names another process.',
  },
  C3: { of: 'consumer', text: 'The consumer answers a GoAway for another process with 410.' },
  C4: { of: 'consumer', text: 'The consumer answers an invalid GoAway with 400, and a body above the limit with 413.' },
  C5: {
    of: 'consumer',
    text: 'The consumer answers other types than JSON with 415, and requests of web pages with 403.',
  },
  C6: { of: 'consumer', secret: true, text: 'The consumer answers a missing signature, or a used one, with 403.' },
  C7: { of: 'consumer', text: 'The consumer acks a GoAway at once and counts its outstanding requests in the ack.' },
  C8: { of: 'consumer', text: 'The consumer begins no request to the leaving instance after the ack.' },
  C9: { of: 'consumer', text: 'The consumer acks a repeated GoAway, and ignores fields that it does not know.' },
  C10: {
    of: 'consumer',
    text: 'The consumer sends the idle line after its last answer, with the addresses of the others.',
  },
  C11: { of: 'consumer', text: 'The consumer calls a newer generation at the same address.' },
  C12: { of: 'consumer', text: 'The consumer still calls an instance after a GoAway for its older generation.' },
  C13: { of: 'consumer', text: 'The consumer isolates an instance whose response carries the draining marker.' },
  P1: { of: 'provider', optional: true, text: 'The provider sends `GET /liveness` to a new consumer and names it.' },
  P2: { of: 'provider', text: 'The provider sends each consumer a GoAway: a POST of JSON that names the consumer.' },
  P3: { of: 'provider', text: 'The GoAway names the instance as the registry lists it.' },
  P4: { of: 'provider', secret: true, text: 'The provider signs the GoAway.' },
  P5: { of: 'provider', text: 'The provider repeats a GoAway that gets no answer.' },
  P6: { of: 'provider', text: 'The provider names its instance in the draining marker of its responses.' },
  P7: { of: 'provider', text: 'The provider serves every request until the consumer is idle.' },
  P8: { of: 'provider', text: 'The provider deregisters while it still serves.' },
  P9: { of: 'provider', text: 'The provider answers a request in flight.' },
  P10: { of: 'provider', text: 'The provider accepts no connection once its consumers are idle.' },
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleId = keyof typeof RULES;

/** A broken rule; the message names what the command expected and what it received. */
export class Broken extends Error {}

/** Tests rules and prints one line for each. */
export class Findings {
  readonly #io: Io;
  readonly #hasSecret: boolean;
  /** Number of broken mandatory rules. */
  broken = 0;

  constructor(io: Io, hasSecret: boolean) {
    this.#io = io;
    this.#hasSecret = hasSecret;
  }

  /** Tests a rule: the rule holds when `holds` returns, and is broken for the reason of the error that `holds` throws. */
  async try(id: RuleId, holds: () => void | Promise<void>): Promise<void> {
    const rule: Rule = RULES[id];
    if (rule.secret && !this.#hasSecret) return this.#say('not tried', id, 'no secret is set');
    try {
      await holds();
      this.#say('held', id);
    } catch (thrown) {
      if (!rule.optional) this.broken++;
      this.#say(rule.optional ? 'not seen' : 'broken', id, asError(thrown).message);
    }
  }

  #say(what: string, id: RuleId, why?: string): void {
    this.#io.out(`${what.padEnd(9)}  ${id.padEnd(3)}  ${RULES[id].text}${why === undefined ? '' : ` ${why}`}`);
  }
}

/** @throws Broken with the message `why` when `holds` is false */
export function expectThat(holds: boolean, why: string): asserts holds {
  if (!holds) throw new Broken(why);
}

/** Interval between two checks of a condition that has no event, in milliseconds. */
const LOOK_MS = 10;

/** Resolves when `holds` returns true. @throws Broken after `withinMs` milliseconds */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  withinMs: number,
  why: string,
): Promise<void> {
  const until = systemClock.now() + withinMs;
  while (!(await holds())) {
    expectThat(systemClock.now() < until, `${why} within ${withinMs} ms`);
    await sleep(systemClock, LOOK_MS);
  }
}
