import type { Dispatcher } from 'undici';
import type { BuildConnector, Connector } from './connector.ts';

/** Settings of a dispatcher, for the agents in its place. */
export interface Settings {
  /** Options for an `Agent` of its copy, without `connect`. */
  readonly options: object;
  /** Its connector; undefined: that of undici. */
  readonly connect?: (build: BuildConnector, more: object) => Connector;
  /** Whether a connection of Node.js without settings fits. */
  readonly isReadyTaken: boolean;
}

export const NO_SETTINGS: Settings = { options: {}, isReadyTaken: true };

/** Settings in the form of undici. */
interface Kept {
  readonly [option: string]: unknown;
  readonly connect?: object | Connector;
  readonly tls?: object;
}

/** Options of an agent for its connector: names of `buildConnector` by names of the settings. */
const CONNECTING = {
  maxCachedSessions: 'maxCachedSessions',
  allowH2: 'allowH2',
  useH2c: 'useH2c',
  connectTimeout: 'timeout',
  autoSelectFamily: 'autoSelectFamily',
  autoSelectFamilyAttemptTimeout: 'autoSelectFamilyAttemptTimeout',
} as const;

/**
 * The settings of a dispatcher of any copy of undici.
 *
 * @returns undefined when it reveals none, such as a proxy agent
 */
export function settingsOf(dispatcher: Dispatcher): Settings | undefined {
  const connector = kept(dispatcher, 'connector');
  if (typeof connector === 'function')
    return { options: { connections: 1 }, connect: () => connector as Connector, isReadyTaken: false };
  const options = kept(dispatcher, 'options') as Kept | undefined;
  if (options === undefined) return undefined;
  const { connect, tls, maxOrigins: _, ...rest } = options;
  const connections = kept(dispatcher, 'connections');
  const given = { ...rest, ...(typeof connections === 'number' && { connections }) };
  const isPlain = connect === undefined && tls === undefined;
  if (isPlain && Object.values(given).every((value) => value === undefined)) return NO_SETTINGS;
  return {
    options: given,
    connect: (build, more) =>
      typeof connect === 'function'
        ? (connect as Connector)
        : build({ ...tls, ...connecting(rest), ...connect, ...more }),
    isReadyTaken: isPlain,
  };
}

/** Fixed origin of a pool or a client; undefined: each request names its own. */
export function originOfPool(dispatcher: Dispatcher): string | undefined {
  const url = kept(dispatcher, 'url');
  return url instanceof URL ? url.origin : undefined;
}

/**
 * Whether its requests cannot go to another place: to a Unix socket, where host names have no meaning, or only by HTTP/2 without
 * TLS.
 */
export function isBound(dispatcher: Dispatcher): boolean {
  const options = kept(dispatcher, 'options') as Kept | undefined;
  const places = [options, options?.connect, options?.tls] as readonly (Kept | undefined)[];
  return (
    dispatcher.constructor.name === 'H2CClient' || places.some((place) => typeof place?.['socketPath'] === 'string')
  );
}

function connecting(settings: Kept): object {
  const found = Object.entries(CONNECTING).filter(([name]) => settings[name] !== undefined);
  return Object.fromEntries(found.map(([name, as]) => [as, settings[name]]));
}

/** A value that undici stores under a symbol. */
function kept(dispatcher: Dispatcher, name: string): unknown {
  const symbol = ownSymbolOf(dispatcher, name);
  return symbol === undefined ? undefined : Reflect.get(dispatcher, symbol);
}

/** The symbol of that name which a dispatcher or one of its classes has. */
export function symbolOf(dispatcher: Dispatcher, name: string): symbol | undefined {
  for (let at: object | null = dispatcher; at !== null; at = Object.getPrototypeOf(at)) {
    const symbol = ownSymbolOf(at, name);
    if (symbol !== undefined) return symbol;
  }
  return undefined;
}

function ownSymbolOf(of: object, name: string): symbol | undefined {
  return Object.getOwnPropertySymbols(of).find(({ description }) => description === name);
}
