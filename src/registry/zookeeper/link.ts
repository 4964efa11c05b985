import type { Socket } from 'node:net';
import { asError } from '../../errors.ts';
import { connect, type Server, type TlsFiles, tell, tlsOf } from '../../io/connect.ts';
import type { Clock, Timer } from '../../lifecycle/clock.ts';
import { within } from '../../lifecycle/within.ts';
import { hostPort } from '../../protocol/host-port.ts';
import { SessionExpired, ZooKeeperError } from './error.ts';
import { Frames, JuteReader, JuteWriter } from './jute.ts';

/** Longest time for an answer, in milliseconds: an offline waits ten seconds for the registry. */
const TIMEOUT_MS = 3_000;

/** Longest time until a session begins or resumes, in milliseconds. A starting server accepts connections without an answer. */
const START_MS = 1_500;

/** Least time between two pings, in milliseconds, for any session time-out of the server. */
const LEAST_PING_MS = 100;

/** Numbers of operations without a path. */
const PING = 11;
const AUTHENTICATE = 100;
const END = -11;

/** Ids of messages without a request, and of pings and authentications, of which one at a time is in flight. */
const EVENT_XID = -1;
const PING_XID = -2;
const AUTHENTICATE_XID = -4;

/** Identity of a session, at every server of the ensemble. */
export interface SessionKey {
  readonly id: bigint;
  readonly password: Buffer;
}

export interface LinkOptions {
  readonly clock: Clock;
  readonly server: Server;
  /** Undefined: without TLS. */
  readonly tls: TlsFiles | undefined;
  /** Requested time for which a session outlives its connection, in milliseconds; the server limits it. */
  readonly sessionMs: number;
  /** The session to resume; undefined: a new one. */
  readonly session: SessionKey | undefined;
  /** `user:password` of the scheme digest. */
  readonly user: string | undefined;
}

/** An operation on a node. */
export interface Operation {
  /** For messages. */
  readonly name: string;
  readonly type: number;
}

interface Pending {
  readonly what: string;
  readonly resolve: (answer: JuteReader) => void;
  readonly reject: (why: Error) => void;
  readonly late: Timer;
}

/**
 * One connection to a ZooKeeper server, and the session that it serves. It is hidden from everything that watches the calls of
 * the application, and never keeps the process alive. When an answer does not come in time, the connection is closed, and all its
 * requests fail.
 */
export class ZooKeeperLink {
  readonly #options: LinkOptions;
  readonly #socket: Socket;
  readonly #frames = new Frames();
  readonly #pending = new Map<number, Pending>();
  readonly #started = Promise.withResolvers<JuteReader>();
  readonly #lost = Promise.withResolvers<never>();
  readonly #onEvent = new Set<(path: string | undefined) => void>();
  #session: SessionKey = { id: 0n, password: Buffer.alloc(16) };
  #isStarted = false;
  #isOpen = true;
  #xid = 0;
  #ping: Timer | undefined;

  private constructor(options: LinkOptions) {
    this.#options = options;
    this.#lost.promise.catch(() => {});
    this.#socket = connect(options.server, options.tls && tlsOf(options.tls));
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('error', (error) => this.#lose(tell(error)));
    this.#socket.on('close', () => this.#lose('the connection was closed'));
  }

  /**
   * Connects, resumes the session or begins one, and authenticates the user.
   *
   * @throws SessionExpired
   */
  static async open(options: LinkOptions): Promise<ZooKeeperLink> {
    const link = new ZooKeeperLink(options);
    try {
      await link.#start();
      return link;
    } catch (thrown) {
      link.cut();
      throw thrown;
    }
  }

  get session(): SessionKey {
    return this.#session;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Rejects when the connection has ended, and never resolves. */
  get lost(): Promise<never> {
    return this.#lost.promise;
  }

  /**
   * Calls `listener` with the path of every node that a watch reports, and with undefined when the connection has ended.
   *
   * @returns a function that ends it
   */
  listen(listener: (path: string | undefined) => void): () => void {
    this.#onEvent.add(listener);
    return () => void this.#onEvent.delete(listener);
  }

  /**
   * Requests an operation on the node at `path`. Requests of one connection are executed and answered in order.
   *
   * @param rest the arguments after the path
   * @throws ZooKeeperError when it is refused, another Error when there is no answer
   */
  request({ name, type }: Operation, path: string, rest = new JuteWriter()): Promise<JuteReader> {
    this.#xid = (this.#xid % 0x7fff_fffe) + 1;
    return this.#ask(`${name} ${path}`, this.#xid, type, (head) => head.text(path).append(rest));
  }

  /** Ends the session: its entries vanish, and none of its requests is executed later. */
  async end(): Promise<void> {
    this.#xid = (this.#xid % 0x7fff_fffe) + 1;
    await this.#ask('the end of the session', this.#xid, END);
    this.cut();
  }

  /** Ends the connection. The session lives on for its time. */
  cut(): void {
    this.#lose('ended by this process');
  }

  async #start(): Promise<void> {
    const { clock, session, sessionMs, user } = this.#options;
    const { id, password } = session ?? this.#session;
    // Sends no last change: a server with a new, empty store would refuse it, and lists are read after a sync.
    const hello = new JuteWriter().int(0).long(0n).int(sessionMs).long(id).bytes(password).bool(false);
    this.#socket.write(hello.frame());
    const answer = await within(clock, START_MS, Promise.race([this.#started.promise, this.lost]), () => {
      this.#lose(`no answer within ${START_MS} ms`);
      return this.lost;
    });
    const timeoutMs = answer.skip(4).int();
    if (timeoutMs <= 0) throw new SessionExpired('the session has expired');
    this.#session = { id: answer.long(), password: Buffer.from(answer.bytes()) };
    if (user !== undefined)
      await this.#ask('the user', AUTHENTICATE_XID, AUTHENTICATE, (head) => head.int(0).text('digest').text(user));
    this.#pingLater(Math.max(timeoutMs / 3, LEAST_PING_MS));
  }

  /** An answer that is a third of the session late counts as lost. */
  #pingLater(ms: number): void {
    this.#ping = this.#options.clock.after(ms, () => {
      if (!this.#isOpen) return;
      this.#ask('a ping', PING_XID, PING, undefined, Math.min(ms, TIMEOUT_MS)).then(
        () => this.#pingLater(ms),
        () => {},
      );
    });
  }

  #ask(
    what: string,
    xid: number,
    type: number,
    write: (head: JuteWriter) => JuteWriter = (head) => head,
    timeoutMs: number = TIMEOUT_MS,
  ): Promise<JuteReader> {
    if (!this.#isOpen) return Promise.race<JuteReader>([this.lost]);
    return new Promise((resolve, reject) => {
      const late = this.#options.clock.after(timeoutMs, () =>
        this.#lose(`no answer to ${what} within ${Math.round(timeoutMs)} ms`),
      );
      this.#pending.set(xid, { what, resolve, reject, late });
      this.#socket.write(write(new JuteWriter().int(xid).int(type)).frame());
    });
  }

  #receive(chunk: Buffer): void {
    try {
      for (const record of this.#frames.push(chunk)) this.#take(new JuteReader(record));
    } catch (thrown) {
      this.#lose(asError(thrown).message);
    }
  }

  #take(record: JuteReader): void {
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#started.resolve(record);
      return;
    }
    const xid = record.int();
    const code = record.skip(8).int();
    if (xid === EVENT_XID) {
      const path = record.skip(8).text();
      for (const listener of this.#onEvent) listener(path);
      return;
    }
    const pending = this.#pending.get(xid);
    if (pending === undefined) throw new Error('an answer without a request');
    this.#pending.delete(xid);
    pending.late.cancel();
    if (code === 0) pending.resolve(record);
    else this.#refused(pending, new ZooKeeperError(pending.what, code));
  }

  #refused({ reject }: Pending, error: ZooKeeperError): void {
    reject(error);
    if (error.endsSession) this.#lose(error.message);
  }

  #lose(why: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#ping?.cancel();
    this.#socket.destroy();
    const error = new Error(`${hostPort(this.#options.server)}: ${why}`);
    this.#lost.reject(error);
    for (const { reject, late } of this.#pending.values()) {
      late.cancel();
      reject(error);
    }
    this.#pending.clear();
    for (const listener of this.#onEvent) listener(undefined);
    this.#onEvent.clear();
  }
}
