import type { Client, Event, Fleet, Provider } from './fleet.ts';
import { Random } from './random.ts';

/** Requests a second: quiet fleets are as likely as busy ones. */
const RATES = [1, 1, 2, 3, 3, 5, 8, 10, 20, 30, 50, 100];

/** Most requests a second of all clients, so that two cores can carry them. */
const MOST_RATE = 200;

/** The fleet of a seed. */
export function generate(seed: number): Fleet {
  const random = new Random(seed);
  const providers = random.times(random.one([1, 1, 2, 2, 2, 3]), () => provider(random));
  const delayMs = random.one([0, 0, 0, 20, 60]);
  const clients = bounded(random.times(random.one([1, 1, 2, 2, 3, 4]), () => client(random, providers.length)));
  const gracePeriodMs = random.one([2_000, 3_000, 4_000]);
  const fleet = {
    name: `seed ${seed}`,
    delayMs,
    lagMs: random.one([0, 0, 500, 1_500, 3_000]),
    gracePeriodMs,
    holdMs: random.one([300, 500, 1_000]),
    providers,
    clients,
    events: events(random, providers.length, clients, gracePeriodMs),
  };
  return random.chance(0.3) ? withGrpc(random, fleet) : fleet;
}

/**
 * Most providers serve gRPC too, the first one always, and most consumers call by it. Not one that joins: it may find that the last
 * instance with gRPC has left before its first call, and no trace could know of it.
 */
function withGrpc(random: Random, fleet: Fleet): Fleet {
  // An instance is registered by the port that listens first; a call of HTTP before the other listens would fail.
  const serves = ({ servers }: Provider): boolean => servers === 'one' || servers === 'admin_second';
  const providers = fleet.providers.map((each, n) => ({
    ...each,
    grpc: serves(each) && (n === 0 || random.chance(0.8)),
  }));
  if (!providers.some(({ grpc }) => grpc)) return fleet;
  const joining = new Set(fleet.events.flatMap((event) => (event.does === 'join' ? [event.client] : [])));
  const clients = fleet.clients.map((each, n) =>
    each.kind === 'consumer' && random.chance(0.7) && !joining.has(n) ? { ...each, via: 'grpc' as const } : each,
  );
  return { ...fleet, providers, clients };
}

function provider(random: Random): Provider {
  return {
    workMs: random.one([0, 2, 5, 5, 20, 80, 200]),
    keepAliveMs: random.one([5_000, 5_000, 65_000]),
    servers: random.weighted({ one: 16, late: 1, admin_second: 1, admin_first: 1, admin_closes: 1 }),
    listedTwice: random.chance(0.06),
  };
}

function client(random: Random, providers: number): Client {
  const rate = random.one(RATES);
  const kind = random.weighted({ consumer: 15, unmanaged: 2, fake: 3 });
  if (kind === 'unmanaged')
    return { kind, rate, keepAlive: random.chance(0.5), learnsAfterMs: random.one([0, 200, 500, 1_500]) };
  if (kind === 'fake')
    return {
      kind,
      rate,
      keepAlive: random.chance(0.6),
      manner: random.weighted({ goes_on: 2, leaks: 2, calls_again: 1, never_idle: 1, gone: 2, refused: 2 }),
      workMs: random.one([0, 0, 100, 400, 1_200]),
      calls: random.below(providers),
    };
  return {
    kind,
    rate,
    via: random.one(['fetch', 'fetch', 'http', 'http', 'close']),
    listed: random.chance(0.3),
    control: random.weighted({ open: 30, refused: 2, self: 2, gone: 2, reset: 1, silent: 1, broken: 1 }),
  };
}

/** Slows the fastest clients down until two cores can carry all. */
function bounded(clients: readonly Client[]): readonly Client[] {
  let slower = [...clients];
  while (slower.reduce((sum, { rate }) => sum + rate, 0) > MOST_RATE) {
    const fastest = Math.max(...slower.map(({ rate }) => rate));
    slower = slower.map((each) => (each.rate === fastest ? { ...each, rate: Math.ceil(each.rate / 2) } : each));
  }
  return slower;
}

function events(
  random: Random,
  providers: number,
  clients: readonly Client[],
  gracePeriodMs: number,
): readonly Event[] {
  const consumers = clients.flatMap(({ kind }, index) => (kind === 'consumer' ? [index] : []));
  const made: Event[] = [];
  const leavers = random.times(random.one([1, 1, 1, 2, 2, providers]), () => random.below(providers));
  const isTogether = random.chance(0.4);
  const first = random.tens(200, 900);
  for (const [n, index] of [...new Set(leavers)].entries())
    made.push(...leaving(random, index, isTogether ? first : first + n * random.tens(0, 900)));
  if (random.chance(0.12)) made.push({ at: random.tens(0, 1_000), does: 'crash_loop', times: random.one([1, 2]) });
  if (random.chance(0.1))
    made.push({
      at: first + random.tens(0, 200),
      does: 'stall',
      provider: random.below(providers),
      ms: random.tens(100, 900),
    });
  for (const index of consumers) {
    const fate = random.weighted({ none: 12, die: 1, block: 2, client_leaves: 1, join: 1 });
    const at = Math.max(0, first + random.tens(-200, 300));
    if (fate === 'die' || fate === 'client_leaves' || fate === 'join') made.push({ at, does: fate, client: index });
    if (fate === 'block') made.push({ at, does: 'block', client: index, ms: random.tens(200, 1_800) });
    const longest = gracePeriodMs + (random.chance(0.3) ? 1_000 : -800);
    if (random.chance(0.25) && fate !== 'join')
      made.push({ at, does: 'long', client: index, ms: random.tens(300, longest) });
  }
  return made.sort((one, other) => one.at - other.at);
}

function leaving(random: Random, provider: number, at: number): readonly Event[] {
  const does = random.weighted({
    leave: 16,
    replace: 8,
    restart: 4,
    undo: 4,
    kill: 2,
    leave_killed: 1,
    leave_twice: 1,
    leave_exits: 1,
  });
  if (does === 'leave') return [{ at, does, provider, by: random.chance(0.8) ? 'SIGTERM' : 'endpoint' }];
  if (does === 'undo') {
    const undo: Event = { at, does, provider, afterMs: random.tens(0, 200) };
    const isInVain = random.chance(0.4);
    return isInVain ? [undo, { at: at + random.tens(300, 1_200), does: 'leave', provider, by: 'SIGTERM' }] : [undo];
  }
  if (does === 'leave_killed' || does === 'leave_exits') return [{ at, does, provider, afterMs: random.tens(0, 400) }];
  // The plugin takes a second signal within 50 ms for an echo of the first.
  if (does === 'leave_twice') return [{ at, does, provider, afterMs: random.tens(60, 400) }];
  return [{ at, does, provider }];
}
