import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Log } from '../../log.ts';
import { isLoopback, plainAddress } from '../../protocol/host-port.ts';
import { Curve } from '../traffic/curve.ts';
import { Health } from '../traffic/health.ts';
import type { HttpServer } from '../traffic/http-server.ts';
import { setKeepAlive, tooShort } from '../traffic/keep-alive.ts';
import type { Ends } from '../traffic/recent-caller.ts';
import type { TrafficOptions } from '../traffic/traffic.ts';
import { Unmanaged } from '../traffic/unmanaged.ts';
import { Probers } from './probers.ts';

/** Seconds before an offline in which connections of callers without the plugin are counted. */
const ARRIVALS_S = 60;

export interface EntryWatchOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly healthPaths: readonly string[];
  readonly healthFailures: number;
  /** Ports of a proxy beside the application. */
  readonly entryPorts: readonly number[];
  readonly keepAliveMs: number | undefined;
}

/** Facts about callers without the plugin while an instance serves: who checks it, who calls it, and how often. */
export class EntryWatch {
  readonly #options: EntryWatchOptions;
  readonly health: Health;
  readonly probers: Probers;
  readonly unmanaged: Unmanaged;
  readonly arrivals: Curve;
  readonly #said = new Set<string>();

  constructor(options: EntryWatchOptions) {
    const { clock, entryPorts, healthFailures, healthPaths } = options;
    this.#options = options;
    this.health = new Health(healthPaths);
    this.probers = new Probers(clock, healthFailures);
    const isBeside = (address: string | undefined): boolean => entryPorts.length > 0 && isLoopback(address);
    this.unmanaged = new Unmanaged(clock, (address) => this.probers.has(address) || isBeside(address));
    this.arrivals = new Curve(clock, () => this.unmanaged.arrivals, ARRIVALS_S);
  }

  /** The interface between it and the traffic. */
  get hooks(): Pick<TrafficOptions, 'health' | 'unmanaged' | 'onCheck' | 'onUnknownCheck' | 'onProxied'> {
    const { health, unmanaged } = this;
    return {
      health,
      unmanaged,
      onCheck: this.#onCheck,
      onUnknownCheck: this.#onUnknownCheck,
      onProxied: this.#onProxied,
    };
  }

  /** A server of the application listens. */
  listening(server: HttpServer): void {
    const { keepAliveMs } = this.#options;
    if (keepAliveMs !== undefined) setKeepAlive(server, keepAliveMs);
  }

  /** A balancer checks, at any port, whether this instance can be used. */
  checked(address: string | undefined, agent: string | undefined, isFailing: boolean): void {
    this.probers.asked(plainAddress(address ?? ''), agent ?? '', isFailing);
  }

  readonly #onCheck = (socket: Socket, headers: IncomingHttpHeaders, isLeaving: boolean): void =>
    this.checked(socket.remoteAddress, headers['user-agent'], isLeaving);

  readonly #onUnknownCheck = (path: string): void =>
    this.#sayOnce(
      'LOSSLESS_HEALTH_PATH',
      `${path} was answered with 2xx while this instance leaves, so a balancer that checks it keeps sending. Add it to LOSSLESS_HEALTH_PATHS if a balancer checks it`,
    );

  readonly #onProxied = (connection: Ends): void => {
    const ms = tooShort(connection);
    if (ms === undefined) return;
    this.#sayOnce(
      'LOSSLESS_KEEP_ALIVE',
      `a proxy sends requests here, and this server closes idle connections after ${ms} ms; most proxies keep them for 60 s, so a request may meet a connection that is being closed. Set LOSSLESS_KEEP_ALIVE_MS above the idle time-out of the proxy, for example 65000`,
    );
  };

  #sayOnce(code: 'LOSSLESS_HEALTH_PATH' | 'LOSSLESS_KEEP_ALIVE', text: string): void {
    if (this.#said.has(code)) return;
    this.#said.add(code);
    this.#options.log('warn', text, { code });
  }
}
