/**
 * A fleet as data: who serves, who calls, and what happens to them. The generator makes it from a seed, the runner plays it with
 * real processes, the shrinker makes it smaller, and the cases keep, as JSON, fleets whose loss no trace reported. All providers are
 * instances of one service. Times are milliseconds; those of events count from the moment at which every client calls.
 */
export interface Fleet {
  /** Subject of a case; a generated fleet has its seed. */
  readonly name: string;
  /** Delay between client and provider, each way. */
  readonly delayMs: number;
  /** Delay of consumers' lists after the registry. */
  readonly lagMs: number;
  readonly gracePeriodMs: number;
  readonly holdMs: number;
  readonly providers: readonly Provider[];
  readonly clients: readonly Client[];
  readonly events: readonly Event[];
}

/** One instance of the service. */
export interface Provider {
  /** Time of a request. */
  readonly workMs: number;
  readonly keepAliveMs: number;
  readonly servers: Servers;
  /** Its application registers the same address too, under its own id. */
  readonly listedTwice: boolean;
  /** It serves gRPC too, on a port of its own. Default: false. */
  readonly grpc?: boolean;
}

/**
 * `one`. `late`: the server listens half a second after the start. `admin_second`, `admin_first`: another server, which answers 404,
 * listens after or before it. `admin_closes`: the other server listens first and closes when the main one listens.
 */
export type Servers = 'one' | 'late' | 'admin_second' | 'admin_first' | 'admin_closes';

export type Client = Consumer | Unmanaged | Fake;

/** A process with the plugin. */
export interface Consumer {
  readonly kind: 'consumer';
  readonly rate: number;
  /** `close`: `node:http` with a connection for each request. `grpc`: grpc-js, which tries every call once. */
  readonly via: 'fetch' | 'http' | 'close' | 'grpc';
  /** It serves too, and so the registry lists it. */
  readonly listed: boolean;
  readonly control: Control;
}

/**
 * What a provider meets at the supposed control port of the consumer. `open`: the consumer. `refused`: nothing. `self`: a
 * provider's own control server. The others are foreign servers: `gone` answers 410, `reset` resets, `silent` never answers,
 * `broken` answers 500.
 */
export type Control = 'open' | 'refused' | 'self' | 'gone' | 'reset' | 'silent' | 'broken';

/** A client without the plugin, behind a balancer that learns late which provider has left. */
export interface Unmanaged {
  readonly kind: 'unmanaged';
  readonly rate: number;
  readonly keepAlive: boolean;
  readonly learnsAfterMs: number;
}

/**
 * A client that speaks the protocol and calls one provider until that refuses connections, whatever the answers. `goes_on`: acks
 * with the outstanding count, says idle at once, and sends on. `leaks`: acks, stops, but sends one more a while later, and says idle
 * when all are answered. `calls_again`: acks, says idle when all are answered, and sends on later. `never_idle`: acks, stops, and
 * never says idle. `gone`: answers 410 and sends on. `refused`: has no control port and sends on.
 */
export interface Fake {
  readonly kind: 'fake';
  readonly rate: number;
  readonly keepAlive: boolean;
  readonly manner: 'goes_on' | 'leaks' | 'calls_again' | 'never_idle' | 'gone' | 'refused';
  /** Time of each of its requests, beside the provider's own. */
  readonly workMs: number;
  /** Index of the provider. */
  readonly calls: number;
}

/** Indices refer to the lists above. Successors and restarts are further lives of their provider. */
export type Event = { readonly at: number } & (
  | { readonly does: 'leave'; readonly provider: number; readonly by: 'SIGTERM' | 'endpoint' }
  /** A successor starts; once that is ready, the provider leaves. */
  | { readonly does: 'replace'; readonly provider: number }
  /** The provider leaves, and starts again on its port after its end. */
  | { readonly does: 'restart'; readonly provider: number }
  /** An offline begins and is undone. */
  | { readonly does: 'undo'; readonly provider: number; readonly afterMs: number }
  | { readonly does: 'kill'; readonly provider: number }
  | { readonly does: 'leave_killed'; readonly provider: number; readonly afterMs: number }
  /** A second SIGTERM comes during the offline. */
  | { readonly does: 'leave_twice'; readonly provider: number; readonly afterMs: number }
  /** Its application calls `process.exit` during the offline. */
  | { readonly does: 'leave_exits'; readonly provider: number; readonly afterMs: number }
  /** A provider blocks its event loop. */
  | { readonly does: 'stall'; readonly provider: number; readonly ms: number }
  /** Further instances never get ready and get SIGTERM, one after the other. */
  | { readonly does: 'crash_loop'; readonly times: number }
  /** A consumer is killed. */
  | { readonly does: 'die'; readonly client: number }
  /** A consumer gets SIGTERM; its application sends on to the end. */
  | { readonly does: 'client_leaves'; readonly client: number }
  /** A consumer sends its first request now. */
  | { readonly does: 'join'; readonly client: number }
  /** A consumer blocks its event loop. */
  | { readonly does: 'block'; readonly client: number; readonly ms: number }
  /** A consumer sends one request that takes `ms`. */
  | { readonly does: 'long'; readonly client: number; readonly ms: number }
);

/** A fleet in one line. */
export function shapeOf({ delayMs, lagMs, gracePeriodMs, holdMs, providers, clients, events }: Fleet): string {
  const far = `${delayMs > 0 ? ` ${delayMs} ms away` : ''}${lagMs > 0 ? `, list ${lagMs} ms late` : ''}`;
  return [
    `${providers.map(providerShape).join(' ')}${far}, grace ${gracePeriodMs}, hold ${holdMs}`,
    clients.map(clientShape).join(' '),
    events.map(eventShape).join(' '),
  ].join(' | ');
}

function providerShape({ workMs, servers, listedTwice, grpc }: Provider): string {
  const shown = [`${workMs}ms`, servers !== 'one' && servers, listedTwice && 'twice', grpc && 'grpc'];
  return `P(${shown.filter(Boolean).join(' ')})`;
}

function clientShape(client: Client): string {
  const rate = `${client.rate}/s`;
  if (client.kind === 'unmanaged')
    return `U(${rate} ${client.keepAlive ? 'keep' : 'close'} learns ${client.learnsAfterMs})`;
  if (client.kind === 'fake') return `F(${rate} ${client.manner} P${client.calls} ${client.workMs}ms)`;
  const { control, listed, via } = client;
  return `C(${[rate, via, listed && 'listed', control !== 'open' && control].filter(Boolean).join(' ')})`;
}

function eventShape({ at, does, ...more }: Event): string {
  return `${at}:${[does, ...Object.values(more)].join(',')}`;
}
