import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Guard } from '../../guard.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';
import type { Log } from '../../log.ts';
import { boundTo, type HttpServer, speaksHttp1 } from '../traffic/http-server.ts';
import { isLocal } from './advertise.ts';

/** Interval of checks while servers begin to listen, in milliseconds. */
const TICK_MS = 25;

/**
 * Servers that begin to listen with fewer ticks between them belong to one start. Ticks, not milliseconds: a process without CPU
 * time sees only one tick.
 */
const TOGETHER_TICKS = 2;

/** Ticks without a new server until one is chosen; more while no server listens on a named port. */
const SETTLED_TICKS = 10;
const NAMED_TICKS = 60;

/** Interval of checks whether servers still listen, in milliseconds: Node.js publishes no event for a closed server. */
const WATCH_MS = 250;

const HOW_TO_CHOOSE =
  'Name it by LOSSLESS_ADVERTISE=host:port or PORT=port, or set LOSSLESS_PROBE to a path that only it answers with 2xx';

/** A server that listens, for as long as it listens there. */
export interface Candidate {
  readonly server: HttpServer;
  /** The path of a Unix socket, when it is a string. */
  readonly bound: AddressInfo | string;
  /** Number of its start: servers that began to listen together have the same one. */
  readonly start: number;
}

/** Criteria for the server that consumers call, the strongest first. */
interface Preference {
  readonly holds: (candidate: Candidate) => boolean;
  readonly because: string;
  /** The criterion is a proof. */
  readonly isSure: boolean;
}

export interface ServersOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Named ports: that of LOSSLESS_ADVERTISE, and PORT. */
  readonly named: readonly number[];
  /** Servers have begun to listen or were closed; not called between servers that begin one after the other. */
  readonly onChange: () => void;
  readonly guard: Guard;
  /** Whether the last request on a connection was a consumer's. */
  readonly isConsumers: (socket: Socket) => boolean;
}

/**
 * The HTTP servers of the application, and the one that consumers call. Known facts decide: a named port, a port rather than a
 * Unix socket, the protocol of consumers, an address that others can reach, answers that consumers have had. Otherwise the latest
 * start wins, because helpers (metrics, health) listen before the application is ready; within a start the first server. That is
 * a guess, and is logged.
 */
export class Servers {
  readonly #options: ServersOptions;
  readonly #preferences: readonly Preference[];
  readonly #answered = new WeakSet<HttpServer>();
  #candidates: readonly Candidate[] = [];
  #quiet = 0;
  #start = 0;
  #timer: Timer | undefined;
  #settled = Promise.withResolvers<void>();
  #said = '';
  #isSettled = false;
  #isWatching = false;

  constructor(options: ServersOptions) {
    const { named } = options;
    this.#options = options;
    this.#preferences = [
      ...named.map((port) => ({
        holds: ({ bound }: Candidate) => typeof bound !== 'string' && bound.port === port,
        because: 'LOSSLESS_ADVERTISE or PORT names it',
        isSure: true,
      })),
      { holds: ({ server }) => this.#answered.has(server), because: 'it has answered consumers', isSure: false },
      { holds: ({ bound }) => typeof bound !== 'string', because: 'consumers need a port', isSure: true },
      { holds: ({ server }) => speaksHttp1(server), because: 'consumers speak HTTP/1.1', isSure: true },
      {
        holds: ({ bound }) => typeof bound !== 'string' && !isLocal(bound),
        because: 'other machines can reach it',
        isSure: true,
      },
    ];
  }

  /** Takes in a server that begins to listen. */
  add(server: HttpServer): void {
    const bound = boundTo(server);
    if (bound === undefined) return;
    if (this.#quiet >= TOGETHER_TICKS) this.#start++;
    this.#candidates = [
      ...this.#listening.filter((each) => each.server !== server),
      { server, bound, start: this.#start },
    ];
    this.#quiet = 0;
    server.once(
      'close',
      this.#options.guard.listener('the event close of a server', () => this.#look()),
    );
    this.#watchAnswers();
    this.#again();
    if (this.#isNamed) this.#settle();
  }

  /** Candidates for the main server, the likeliest first; only the named one when there is one. */
  get candidates(): readonly Candidate[] {
    const { all } = this;
    const [first] = all;
    return first !== undefined && this.#isNamedOne(first) ? [first] : all;
  }

  /** Listening servers, the likeliest first. */
  get all(): readonly Candidate[] {
    return this.#listening.toSorted((a, b) => this.#compare(a, b));
  }

  /** Whether `one` is likelier than `other` to be called by consumers, and not merely first in a list. */
  prefers(one: Candidate, other: Candidate): boolean {
    return this.#compare(one, other) < 0;
  }

  /**
   * Whether `one` may take the place of `closed`. A server that listened while consumers got their answers from the other one is
   * a helper.
   */
  mayFollow(one: Candidate, closed: Candidate): boolean {
    return one.start > closed.start || !this.#answered.has(closed.server) || this.#isNamedOne(one);
  }

  /** Resolves when a named server listens, or when servers listen and no other has begun for a moment. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Whether it still listens at the same place. */
  listens({ server, bound }: Candidate): boolean {
    const now = boundTo(server);
    if (typeof bound === 'string' || typeof now === 'string') return now === bound;
    return now?.port === bound.port;
  }

  /**
   * Logs a choice among several servers once, as a warning when it was a guess.
   *
   * @param proof a deciding fact beside the criteria: an answer to the probe that the others did not give
   */
  say(chosen: Candidate, proof?: string): void {
    // One that speaks another protocol is an endpoint of its own, beside the chosen one.
    const isHttp1 = speaksHttp1(chosen.server);
    const others = this.#listening.filter((each) => each !== chosen && speaksHttp1(each.server) === isHttp1);
    if (others.length === 0) return;
    const decisive = others.map((other) => this.#preferences.find(({ holds }) => holds(chosen) && !holds(other)));
    const because = [...new Set(decisive.map((preference) => preference?.because ?? 'of the order of listening'))];
    const isSure = proof !== undefined || decisive.every((preference) => preference?.isSure === true);
    const text = `several HTTP servers listen: ${nameOf(chosen)} is taken for the one that consumers call, because ${proof ?? because.join(', and because ')}; not ${others.map(nameOf).join(', ')}`;
    if (text === this.#said) return;
    this.#said = text;
    const { log } = this.#options;
    if (isSure) log('info', text);
    else log('warn', `${text}. ${HOW_TO_CHOOSE}`, { code: 'LOSSLESS_SERVER_AMBIGUOUS' });
  }

  get #listening(): readonly Candidate[] {
    return this.#candidates.filter((each) => this.listens(each));
  }

  get #isNamed(): boolean {
    return this.#listening.some((each) => this.#isNamedOne(each));
  }

  get #patience(): number {
    return this.#options.named.length > 0 && !this.#isNamed ? NAMED_TICKS : SETTLED_TICKS;
  }

  #isNamedOne(candidate: Candidate): boolean {
    return this.#preferences.slice(0, this.#options.named.length).some(({ holds }) => holds(candidate));
  }

  #compare(a: Candidate, b: Candidate): number {
    const decides = this.#preferences.find(({ holds }) => holds(a) !== holds(b));
    if (decides !== undefined) return decides.holds(a) ? -1 : 1;
    return b.start - a.start;
  }

  /** Checks at once, and then repeatedly while any server listens. */
  #again(): void {
    this.#timer?.cancel();
    const ms = this.#quiet < this.#patience ? TICK_MS : WATCH_MS;
    this.#timer = this.#options.clock.after(ms, () => {
      try {
        this.#quiet++;
        if (this.#quiet === this.#patience) this.#settle();
        this.#look();
      } finally {
        if (this.#candidates.length > 0) this.#again();
        else this.#timer = undefined;
      }
    });
  }

  #settle(): void {
    if (this.#listening.length === 0) return;
    this.#quiet = Math.max(this.#quiet, this.#patience);
    this.#isSettled = true;
    this.#settled.resolve();
    this.#options.onChange();
  }

  /** Forgets those that were closed. */
  #look(): void {
    const listening = this.#listening;
    if (listening.length === this.#candidates.length) return;
    this.#candidates = listening;
    if (listening.length === 0 && this.#isSettled) {
      this.#settled = Promise.withResolvers();
      this.#isSettled = false;
    }
    this.#options.onChange();
  }

  /** Watches for the first good answer to a consumer after a server has begun to listen. */
  #watchAnswers(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    const answered = this.#options.guard.listener(ANSWERS, (message: unknown): void => {
      const { response, server, socket } = message as Answer;
      if (response.statusCode >= 400 || !this.#options.isConsumers(socket)) return;
      this.#answered.add(server);
      unsubscribe(ANSWERS, answered);
      this.#isWatching = false;
    });
    subscribe(ANSWERS, answered);
  }
}

/** The channel of answers, and its message. */
const ANSWERS = 'http.server.response.finish';
interface Answer {
  readonly socket: Socket;
  readonly response: ServerResponse;
  readonly server: HttpServer;
}

/** A server, for people. */
export function nameOf({ bound }: Candidate): string {
  return typeof bound === 'string' ? bound : `port ${bound.port}`;
}
