/**
 * A fleet as data: who serves, who calls, and what happens to them. The generator writes it from a seed, the runner plays it
 * with real processes, the shrinker makes it smaller, and one that was lost without a word is kept as JSON among the cases.
 * All providers are instances of one service. Times are milliseconds; those of events count from when every client calls.
 */
export interface Fleet {
  /** What a case is about; a generated one has its seed. */
  readonly name: string;
  /** Between client and provider, each way. */
  readonly delayMs: number;
  /** How long after the registry consumers' lists change. */
  readonly lagMs: number;
  readonly gracePeriodMs: number;
  readonly holdMs: number;
  readonly providers: readonly Provider[];
  readonly clients: readonly Client[];
  readonly events: readonly Event[];
}

/** One instance of the service. */
export interface Provider {
  /** How long a request takes. */
  readonly workMs: number;
  readonly keepAliveMs: number;
  readonly servers: Servers;
  /** Its application registers the same address itself, under an id of its own. */
  readonly listedTwice: boolean;
}

/**
 * `one`. `late`: it listens half a second after the start. `admin_second`, `admin_first`: another server, that answers 404,
 * listens after or before. `admin_closes`: that one listens first and closes when the other one listens.
 */
export type Servers = 'one' | 'late' | 'admin_second' | 'admin_first' | 'admin_closes';

export type Client = Consumer | Unmanaged | Fake;

/** A process with the plugin. */
export interface Consumer {
  readonly kind: 'consumer';
  readonly rate: number;
  /** `close`: `node:http` with a connection for each request. */
  readonly via: 'fetch' | 'http' | 'close';
  /** It serves too, and so the registry lists it. */
  readonly listed: boolean;
  readonly control: Control;
}

/**
 * What a provider meets where it takes the consumer's control port to be. `open`: the consumer. `refused`: nobody. `self`: a
 * provider's own control server. Else something that is not the consumer: `gone` answers 410, `reset` resets, `silent` never
 * answers, `broken` answers 500.
 */
export type Control = 'open' | 'refused' | 'self' | 'gone' | 'reset' | 'silent' | 'broken';

/** A client without the plugin, behind a balancer that learns late who has left. */
export interface Unmanaged {
  readonly kind: 'unmanaged';
  readonly rate: number;
  readonly keepAlive: boolean;
  readonly learnsAfterMs: number;
}

/**
 * A client that speaks the protocol and calls one provider until nobody is there, whatever that answers. `goes_on`: acks,
 * says how much is outstanding, says idle at once, and sends on all the while. `leaks`: acks, stops, but sends one more a
 * while later, and says idle when all are answered. `calls_again`: acks, says idle when all are answered, and sends on later. `never_idle`: acks, stops, and never says idle. `gone`: answers 410
 * and sends on. `refused`: has no control port and sends on.
 */
export interface Fake {
  readonly kind: 'fake';
  readonly rate: number;
  readonly keepAlive: boolean;
  readonly manner: 'goes_on' | 'leaks' | 'calls_again' | 'never_idle' | 'gone' | 'refused';
  /** How long each of its requests takes beside the provider's own time. */
  readonly workMs: number;
  /** Index of the provider. */
  readonly calls: number;
}

/** Indices are those of the lists above. Successors and restarts are further lives of the provider they follow. */
export type Event = { readonly at: number } & (
  | { readonly does: 'leave'; readonly provider: number; readonly by: 'SIGTERM' | 'endpoint' }
  /** A successor starts; when it is ready this one leaves. */
  | { readonly does: 'replace'; readonly provider: number }
  /** It leaves, and starts again on its port when it has ended. */
  | { readonly does: 'restart'; readonly provider: number }
  /** An offline begins and is undone. */
  | { readonly does: 'undo'; readonly provider: number; readonly afterMs: number }
  | { readonly does: 'kill'; readonly provider: number }
  | { readonly does: 'leave_killed'; readonly provider: number; readonly afterMs: number }
  /** A second SIGTERM comes while the first one's offline runs. */
  | { readonly does: 'leave_twice'; readonly provider: number; readonly afterMs: number }
  /** Its application calls `process.exit` while the offline runs. */
  | { readonly does: 'leave_exits'; readonly provider: number; readonly afterMs: number }
  /** The event loop of a provider stands still. */
  | { readonly does: 'stall'; readonly provider: number; readonly ms: number }
  /** A further instance never gets ready and gets SIGTERM, again and again. */
  | { readonly does: 'crash_loop'; readonly times: number }
  /** A consumer is killed. */
  | { readonly does: 'die'; readonly client: number }
  /** A consumer gets SIGTERM; its application sends on to the end. */
  | { readonly does: 'client_leaves'; readonly client: number }
  /** A consumer sends its first request now, and none before. */
  | { readonly does: 'join'; readonly client: number }
  /** The event loop of a consumer stands still. */
  | { readonly does: 'block'; readonly client: number; readonly ms: number }
  /** A consumer sends one request that takes so long. */
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

function providerShape({ workMs, servers, listedTwice }: Provider): string {
  return `P(${[`${workMs}ms`, servers !== 'one' && servers, listedTwice && 'twice'].filter(Boolean).join(' ')})`;
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
