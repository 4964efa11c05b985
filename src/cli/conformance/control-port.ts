import { request } from '../../io/request.ts';
import { systemClock } from '../../lifecycle/clock.ts';
import type { Trust } from '../../plugin/trust.ts';
import { AUDIENCE_HEADER, decodeAck, decodeIdle, GOAWAY_PATH, LINE_LIMIT } from '../../protocol/goaway.ts';
import type { Ack, Caller, Idle } from '../../protocol/identity.ts';
import { SIGNATURE_HEADER, sign } from '../../protocol/signature.ts';

/** Longest wait for an answer, in milliseconds. */
export const ANSWER_MS = 5_000;

/** What a consumer answers to a GoAway. */
export interface Answered {
  readonly status: number;
  /** Undefined when the first line is no ack. */
  readonly ack: Ack | undefined;
  /** Resolves with the second line, or undefined when there is none. */
  readonly idle: Promise<Idle | undefined>;
  /** The answer has ended. */
  readonly isOver: boolean;
  hangUp(): void;
}

/** The control port of the consumer under test. */
export class ControlPort {
  readonly #caller: Caller;
  readonly #address: string;
  readonly #trust: Trust;

  constructor(caller: Caller, address: string, trust: Trust) {
    this.#caller = caller;
    this.#address = address;
    this.#trust = trust;
  }

  get #to() {
    const { keys: _, tls } = this.#trust;
    return {
      clock: systemClock,
      to: { host: this.#address, port: this.#caller.port },
      tls: this.#caller.tls === true ? tls?.connection(this.#address) : undefined,
    };
  }

  liveness(audience = ''): Promise<number> {
    const headers = { [AUDIENCE_HEADER]: audience };
    return request({ ...this.#to, path: '/liveness', headers, timeoutMs: ANSWER_MS }, ({ status }) => status);
  }

  /** Undefined without a secret. */
  sign(body: string, audience = this.#caller.instanceId): string | undefined {
    const { keys } = this.#trust;
    return keys && sign(keys, 'goaway', audience, body, systemClock.wall());
  }

  /** Resolves with the first line, or at the end of an answer without one. */
  post(sent: {
    readonly body: string;
    readonly audience?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly signature?: string | undefined;
  }): Promise<Answered> {
    const { body, audience = this.#caller.instanceId, headers = {} } = sent;
    const signature = 'signature' in sent ? sent.signature : this.sign(body, audience);
    const first = Promise.withResolvers<Answered>();
    const idle = Promise.withResolvers<Idle | undefined>();
    const hanging = new AbortController();
    const answered = { isOver: false, idle: idle.promise, hangUp: () => hanging.abort() };
    const asked = {
      ...this.#to,
      method: 'POST',
      path: GOAWAY_PATH,
      headers: {
        [AUDIENCE_HEADER]: audience,
        ...(signature !== undefined && { [SIGNATURE_HEADER]: signature }),
        ...headers,
      },
      body,
      timeoutMs: ANSWER_MS,
      signal: hanging.signal,
    };
    void request(asked, async (answer) => {
      const { status } = answer;
      let lines = 0;
      if (status === 200)
        await answer.lines(LINE_LIMIT, (line) => {
          if (++lines > 1) return idle.resolve(decodeIdle(line));
          answer.late?.cancel();
          first.resolve(Object.assign(answered, { status, ack: decodeAck(line) }));
        });
      first.resolve(Object.assign(answered, { status, ack: undefined }));
    })
      .catch(first.reject)
      .finally(() => {
        answered.isOver = true;
        idle.resolve(undefined);
      });
    return first.promise;
  }
}
