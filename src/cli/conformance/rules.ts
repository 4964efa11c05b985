import { asError } from '../../errors.ts';
import { sleep, systemClock } from '../../lifecycle/clock.ts';
import type { Io } from '../command.ts';

/** One rule of `docs/protocol.md` that the command tries over the wire. */
export interface Rule {
  readonly of: 'consumer' | 'provider';
  readonly text: string;
  /** Without it nothing fails, but a fleet knows less. */
  readonly optional?: true;
  /** Tried only where a secret is set. */
  readonly secret?: true;
}

/** The rules, in the order in which they are tried. */
export const RULES = {
  C1: { of: 'consumer', text: 'Each request carries `lossless-consumer`, which can be believed.' },
  C2: { of: 'consumer', text: '`GET /liveness` answers 200, and 410 when another process is named.' },
  C3: { of: 'consumer', text: 'A GoAway that another process is meant by is answered with 410.' },
  C4: { of: 'consumer', text: 'A body that is no GoAway is answered with 400, one above the limit with 413.' },
  C5: { of: 'consumer', text: 'A content type other than JSON is answered with 415, a page of a browser with 403.' },
  C6: { of: 'consumer', secret: true, text: 'A GoAway without a signature, or with a used one, is answered with 403.' },
  C7: { of: 'consumer', text: 'A GoAway is acked at once, while a request is outstanding, which it counts.' },
  C8: { of: 'consumer', text: 'No request begins after the ack.' },
  C9: { of: 'consumer', text: 'The same GoAway is acked again; fields of later versions are ignored.' },
  C10: { of: 'consumer', text: 'The idle line comes after the last answer, and names the others alone.' },
  C11: { of: 'consumer', text: 'A newer generation at the same address is called.' },
  C12: { of: 'consumer', text: 'A GoAway of an older generation changes nothing.' },
  C13: { of: 'consumer', text: 'The draining marker of a response isolates.' },
  P1: { of: 'provider', optional: true, text: 'It asks a new consumer `GET /liveness`, and names it.' },
  P2: { of: 'provider', text: 'It sends each consumer a GoAway: POST, JSON, and names it.' },
  P3: { of: 'provider', text: 'The GoAway names the instance as it is registered.' },
  P4: { of: 'provider', secret: true, text: 'The GoAway is signed.' },
  P5: { of: 'provider', text: 'A GoAway without an answer is sent again.' },
  P6: { of: 'provider', text: 'Responses carry the draining marker, which names the instance.' },
  P7: { of: 'provider', text: 'It serves every request until the consumer is idle.' },
  P8: { of: 'provider', text: 'It is deregistered while it still serves.' },
  P9: { of: 'provider', text: 'A request in flight is answered.' },
  P10: { of: 'provider', text: 'It takes no connection once its consumers are idle.' },
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleId = keyof typeof RULES;

/** A rule that does not hold: what was expected and what came. */
export class Broken extends Error {}

/** Tries rules and prints each finding on a line. */
export class Findings {
  readonly #io: Io;
  readonly #hasSecret: boolean;
  /** Number of mandatory rules that do not hold. */
  broken = 0;

  constructor(io: Io, hasSecret: boolean) {
    this.#io = io;
    this.#hasSecret = hasSecret;
  }

  /** Tries a rule: it holds when `holds` returns. An error that `holds` throws is the reason why not. */
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

/** @throws Broken when `holds` is not true */
export function expectThat(holds: boolean, why: string): asserts holds {
  if (!holds) throw new Broken(why);
}

/** Interval of checks for what no event tells, in milliseconds. */
const LOOK_MS = 10;

/** Resolves when `holds` does. @throws Broken after `withinMs` milliseconds */
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
