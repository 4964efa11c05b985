import { embeddedCollector } from '../test/support/embedded-collector.ts';
import { type Counts, type Failure, type Load, sumOf } from '../test/support/entry/load.ts';
import { BegunStreams } from '../test/support/fakes/begun-streams.ts';
import { DelayProxy } from '../test/support/fakes/delay-proxy.ts';
import type { LoadOptions } from '../test/support/grpc/clients.ts';
import { loadOf, startForeign } from '../test/support/grpc/foreign.ts';
import { appPortOf, entered } from '../test/support/process/announced.ts';
import { Child } from '../test/support/process/child.ts';
import { newChildren } from '../test/support/process/use-children.ts';
import { World } from '../test/support/process/world.ts';
import { pause, until } from '../test/support/until.ts';
import type { Options as OwnLoad } from './grpc-load.ts';

const APP = new URL('../test/fixtures/apps/grpc.ts', import.meta.url);
const BY_HAND = new URL('grpc-provider.ts', import.meta.url);
const LOAD = new URL('grpc-load.ts', import.meta.url);

/** The service, by its name in the registry. */
const SERVICE = 'echo';

/** From the first call after a start to the next shutdown, in milliseconds. */
const SETTLED_MS = 300;

/** Longest wait for the end of an instance, in milliseconds. */
const PATIENCE_MS = 40_000;

/** One client and its load. */
export interface Caller extends Omit<LoadOptions, 'ports' | 'service' | 'isSecure'> {
  readonly client: 'grpc-js' | 'connect-node' | 'grpc-go';
  /** Number of client processes, each with this load. Default: one. */
  readonly clients?: number;
}

/** Shutdowns of instances under the calls of clients. */
export interface Shutdowns {
  readonly framework: 'grpc-js' | 'connect';
  /** `plugin`, or by hand: `tryShutdown`, `forceShutdown`, `close`. */
  readonly way: string;
  /**
   * How clients find two instances: a `list` of two addresses, at each of which a new instance follows the old one; the `name` of the
   * service, which needs the plugin in the client too; or `one` address, behind which new connections go to the instance that stays.
   */
  readonly by: 'list' | 'name' | 'one';
  readonly callers: readonly Caller[];
  readonly times: number;
  /** Distance of the clients: milliseconds each way. */
  readonly delayMs: number;
  readonly isSecure?: boolean;
  /** Time from the start of an instance to the next shutdown, in milliseconds. Default: until clients call the new instance. */
  readonly apartMs?: number;
}

export interface Result {
  /** Counts of each caller, all its processes together. */
  readonly counts: readonly Counts[];
  /** Milliseconds from SIGTERM to the exit. */
  readonly stopMs: readonly number[];
  /** Calls that clients sent, each retry included; undefined under TLS, which hides them. */
  readonly begun: number | undefined;
}

/** An address behind a delay. */
interface Place {
  readonly proxy: DelayProxy;
  /** Connections to the current instance. */
  connections: number;
  readonly begun: BegunStreams;
}

interface Instance {
  readonly child: Child;
  readonly port: number;
}

/** Makes instances leave one after the other under load, and starts another one for each. */
export async function shutDown(options: Shutdowns): Promise<Result> {
  const { by, times } = options;
  const world = new World(newChildren(), await embeddedCollector());
  const places = await Promise.all(Array.from({ length: by === 'one' ? 1 : 2 }, () => placeAt(options)));
  try {
    const stopMs: number[] = [];
    const leave = async ({ child }: Instance): Promise<void> => {
      const begun = performance.now();
      child.signal('SIGTERM');
      await child.ends(PATIENCE_MS);
      stopMs.push(performance.now() - begun);
    };
    const placed = async (place: Place): Promise<Instance> => {
      const instance = await start(world, options, by === 'name' ? place.proxy.port : undefined);
      takes(place, instance);
      return instance;
    };
    const instances: Instance[] = [];
    for (const place of places) instances.push(await placed(place));
    const loads = options.callers.map(({ clients = 1, ...caller }) =>
      Array.from({ length: clients }, () => startLoad(world, options, caller, places)),
    );
    const clients = loads.flat().length;
    for (const place of places) await connected(place, clients);
    for (let n = 0; n < times; n++) {
      const at = n % places.length;
      const [place, leaving] = [places[at] as Place, instances[at] as Instance];
      if (by === 'one') {
        instances[0] = await start(world, options, undefined);
        await pause(SETTLED_MS);
        takes(place, instances[0]);
        await leave(leaving);
        await connected(place, clients);
        continue;
      }
      await leave(leaving);
      instances[at] = await placed(place);
      if (options.apartMs === undefined) await connected(place, clients);
      else await pause(options.apartMs);
    }
    const stopped = loads.map((each) => Promise.all(each.map((load) => load.stop())));
    const counts = (await Promise.all(stopped)).map(sumOf);
    const begun = places.reduce((sum, place) => sum + place.begun.count, 0);
    return { counts, stopMs, begun: options.isSecure ? undefined : begun };
  } finally {
    await world.close();
    for (const { proxy } of places) proxy.close();
  }
}

async function placeAt({ delayMs, isSecure }: Shutdowns): Promise<Place> {
  const place = { proxy: await DelayProxy.start(delayMs), connections: 0, begun: new BegunStreams() };
  place.proxy.onConnection = () => {
    place.connections++;
    return isSecure ? () => {} : place.begun.connection();
  };
  return place;
}

function takes(place: Place, { port }: Instance): void {
  place.proxy.target = port;
  place.connections = 0;
}

async function connected(place: Place, clients: number): Promise<void> {
  await until(() => place.connections >= clients, PATIENCE_MS);
  await pause(SETTLED_MS);
}

/** @param advertised port under which it is registered; by default its own */
async function start(world: World, options: Shutdowns, advertised: number | undefined): Promise<Instance> {
  const { framework, isSecure = false, way } = options;
  const isByPlugin = way === 'plugin';
  const env = world.env(SERVICE, {
    LOSSLESS_HOLD_MS: '1500',
    LOSSLESS_WARMUP_MS: '0',
    ...(advertised !== undefined && { LOSSLESS_ADVERTISE: `127.0.0.1:${advertised}` }),
  });
  const child = world.children.add(
    isByPlugin
      ? Child.node(APP, { env, args: [framework, 0, 0, '127.0.0.1', isSecure] })
      : Child.node(BY_HAND, { args: [framework, way, isSecure] }),
  );
  const port = await appPortOf(child);
  if (isByPlugin) await entered(child, 'warming');
  return { child, port };
}

function startLoad(
  world: World,
  { by, isSecure = false }: Shutdowns,
  { client, ...caller }: Omit<Caller, 'clients'>,
  places: readonly Place[],
): Pick<Load, 'stop'> {
  const ports = places.map(({ proxy }) => proxy.port);
  if (client === 'grpc-go') return startForeign(world.children, client, { ...caller, ports });
  const options: OwnLoad = { ...caller, client, ports, isSecure, ...(by === 'name' && { service: SERVICE }) };
  const env = by === 'name' ? world.env('caller') : {};
  return loadOf(world.children.add(Child.node(LOAD, { env, args: [JSON.stringify(options)] })));
}

/** The failures, counted by reason. */
export function reasonsOf(failed: readonly Failure[]): string {
  const counted = Map.groupBy(failed, ({ reason }) => reason.slice(0, 80));
  return [...counted].map(([reason, { length }]) => `${length} ${reason}`).join(', ');
}
