import type { Client, Event, Fleet, Provider } from './fleet.ts';

/** Fleets that are one step simpler, the largest reductions first. */
export function simpler(fleet: Fleet): readonly Fleet[] {
  return [
    ...fleet.clients.map((_, index) => withoutClient(fleet, index)),
    ...fleet.providers.map((_, index) => withoutProvider(fleet, index)),
    ...fleet.events.map((_, index) => ({ ...fleet, events: without(fleet.events, index) })),
    ...(fleet.lagMs > 0 ? [{ ...fleet, lagMs: 0 }] : []),
    ...(fleet.delayMs > 0 ? [{ ...fleet, delayMs: 0 }] : []),
    ...fleet.providers.flatMap((provider, index) =>
      simplerProviders(provider).map((each) => ({ ...fleet, providers: fleet.providers.with(index, each) })),
    ),
    ...fleet.clients.flatMap((client, index) =>
      simplerClients(client).map((each) => ({ ...fleet, clients: fleet.clients.with(index, each) })),
    ),
    ...fleet.events.flatMap((event, index) =>
      simplerEvents(event).map((each) => ({ ...fleet, events: fleet.events.with(index, each) })),
    ),
  ].filter(({ clients, providers, events }) => clients.length > 0 && providers.length > 0 && events.length > 0);
}

/**
 * The simplest failing fleet that was found: takes the first simpler one that fails, again and again, until none fails or the bounds
 * are reached.
 */
export async function shrink(
  fleet: Fleet,
  doesWrong: (fleet: Fleet) => Promise<boolean>,
  { runs, withinMs }: { readonly runs: number; readonly withinMs: number },
): Promise<Fleet> {
  const deadline = performance.now() + withinMs;
  let smallest = fleet;
  let left = runs;
  const tried = new Set<string>();
  for (let next: Fleet | undefined = fleet; next !== undefined; ) {
    smallest = next;
    next = undefined;
    for (const candidate of simpler(smallest)) {
      const text = JSON.stringify(candidate);
      if (tried.has(text)) continue;
      if (left-- <= 0 || performance.now() > deadline) return smallest;
      tried.add(text);
      if (!(await doesWrong(candidate))) continue;
      next = candidate;
      break;
    }
  }
  return smallest;
}

function without<T>(list: readonly T[], index: number): readonly T[] {
  return list.filter((_, at) => at !== index);
}

function withoutClient({ clients, events, ...rest }: Fleet, index: number): Fleet {
  return {
    ...rest,
    clients: without(clients, index),
    events: events.flatMap((event): readonly Event[] =>
      'client' in event ? shifted(event, 'client', index) : [event],
    ),
  };
}

/** Leaves out a provider, with its fake clients. */
function withoutProvider(fleet: Fleet, index: number): Fleet {
  const own = fleet.clients.findIndex((client) => client.kind === 'fake' && client.calls === index);
  if (own >= 0) return withoutProvider(withoutClient(fleet, own), index);
  const { clients, events, providers } = fleet;
  return {
    ...fleet,
    providers: without(providers, index),
    clients: clients.flatMap((client): readonly Client[] =>
      client.kind === 'fake' ? shifted(client, 'calls', index) : [client],
    ),
    events: events.flatMap((event): readonly Event[] =>
      'provider' in event ? shifted(event, 'provider', index) : [event],
    ),
  };
}

/** Drops an item that points to `index`, and shifts an item that points behind it. */
function shifted<T, K extends string>(pointing: T & Record<K, number>, key: K, index: number): readonly T[] {
  if (pointing[key] === index) return [];
  return [{ ...pointing, [key]: pointing[key] - (pointing[key] > index ? 1 : 0) }];
}

function simplerProviders(provider: Provider): readonly Provider[] {
  return [
    ...(provider.servers === 'one' ? [] : [{ ...provider, servers: 'one' } as const]),
    ...(provider.listedTwice ? [{ ...provider, listedTwice: false }] : []),
    ...(provider.workMs > 5 ? [{ ...provider, workMs: 5 }] : []),
    ...(provider.grpc ? [{ ...provider, grpc: false }] : []),
  ];
}

function simplerClients(client: Client): readonly Client[] {
  const halved = client.rate > 1 ? [{ ...client, rate: Math.floor(client.rate / 2) }] : [];
  if (client.kind === 'fake') return client.workMs > 0 ? [{ ...client, workMs: 0 }, ...halved] : halved;
  if (client.kind === 'unmanaged') return halved;
  return [
    ...(client.control === 'open' ? [] : [{ ...client, control: 'open' } as const]),
    ...(client.listed ? [{ ...client, listed: false }] : []),
    ...(client.via === 'grpc' ? [{ ...client, via: 'fetch' } as const] : []),
    ...halved,
  ];
}

function simplerEvents(event: Event): readonly Event[] {
  if (event.does === 'replace' || event.does === 'restart' || (event.does === 'leave' && event.by === 'endpoint'))
    return [{ at: event.at, does: 'leave', provider: event.provider, by: 'SIGTERM' }];
  return [];
}
