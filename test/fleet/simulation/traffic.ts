import type { Clock } from '../../../src/lifecycle/clock.ts';
import { Callers } from '../../../src/provider/traffic/callers.ts';
import type { OpenConnection, RecentCaller } from '../../../src/provider/traffic/recent-caller.ts';
import type { SimulatedConsumer } from './consumer.ts';
import type { Counts } from './counts.ts';

/** How long a request is worked on, in milliseconds. */
const WORK_MS = 5;

/** The connection of a consumer. */
interface Link extends OpenConnection {
  inflight: number;
}

/** What one consumer has here. */
interface Known {
  readonly link: Link;
  readonly entry: RecentCaller;
}

/** The requests and connections of an instance: the product's callers, without sockets. */
export class SimulatedTraffic {
  readonly callers: Callers;
  readonly #clock: Clock;
  readonly #counts: Counts;
  readonly #links = new Map<number, Known>();
  #inflight = 0;
  #lastActivity = 0;
  #lastBegun = 0;
  isListening = true;
  /** Called with each consumer that connects. */
  onCaller: (entry: RecentCaller) => void = () => {};
  /** Requests since this was last reset. */
  served = 0;

  constructor(clock: Clock, counts: Counts) {
    this.#clock = clock;
    this.#counts = counts;
    this.callers = new Callers(clock);
  }

  get inflight(): number {
    return this.#inflight;
  }

  /** When a request last began or ended, and when one last began. */
  get lastActivity(): number {
    return this.#lastActivity;
  }

  get lastBegun(): number {
    return this.#lastBegun;
  }

  get hasConnections(): boolean {
    return this.#links.size > 0;
  }

  isConnected(consumer: number): boolean {
    return this.#links.has(consumer);
  }

  /** A consumer has closed its connection. */
  disconnect(consumer: number): void {
    const known = this.#links.get(consumer);
    if (known === undefined || known.link.inflight > 0) return;
    this.callers.closed(known.entry, known.link);
    this.#links.delete(consumer);
  }

  /** A request has arrived. */
  serve(consumer: SimulatedConsumer, answered: () => void): void {
    const { entry, link } = this.#links.get(consumer.number) ?? this.#connect(consumer);
    const now = this.#clock.now();
    if (entry.telling?.isBrokenBy(now)) this.#counts.arrivedAfterAck++;
    entry.rhythm.beat(now);
    this.#count(link, 1);
    this.#lastBegun = now;
    this.#counts.served++;
    this.served++;
    this.#clock.after(WORK_MS, () => {
      this.#count(link, -1);
      answered();
    });
  }

  #connect(consumer: SimulatedConsumer): Known {
    const link: Link = { inflight: 0, protocol: 'http/1.1' };
    const { entry } = this.callers.opened(consumer.caller, { remoteAddress: consumer.name }, link);
    const known = { link, entry };
    this.#links.set(consumer.number, known);
    this.onCaller(entry);
    return known;
  }

  #count(link: Link, by: 1 | -1): void {
    link.inflight += by;
    this.#inflight += by;
    this.#lastActivity = this.#clock.now();
  }
}
