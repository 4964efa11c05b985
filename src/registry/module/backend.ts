import { isObject, type Json } from '../../json.ts';
import type { RegistryContext } from '../context.ts';
import type { Backend } from '../server-registry.ts';

/** The calls of a module to its registry. The type of the registry is the scheme of its URL, and the registry fails when a call fails. */
export type RegistryBackend = Omit<Backend, 'type' | 'failure'>;

/**
 * What a module exports under the name `openBackend`. It is called once, before anything is registered or listed, and has 10
 * seconds together with the loading of the module.
 *
 * @param url that of LOSSLESS_REGISTRY, with `module` and the options of the module in its query. Of `scheme://a:1,b:2` the
 * second server is in the option `server`.
 */
export type OpenBackend = (
  url: URL,
  context: Pick<RegistryContext, 'log'>,
) => RegistryBackend | PromiseLike<RegistryBackend>;

/** Shortest interval of heartbeats, in milliseconds. */
const LEAST_BEAT_MS = 100;

/** The required parts of a backend, and their types. */
const PARTS: Readonly<Record<Exclude<keyof RegistryBackend, 'close' | 'capabilities'>, string>> = {
  title: 'string',
  address: 'string',
  beatMs: 'number',
  write: 'function',
  beat: 'function',
  remove: 'function',
  list: 'function',
  rounds: 'function',
};

const CAPABILITIES = { push: 'boolean', lagMs: 'number', expires: 'boolean' };

/** @throws Error naming every missing or invalid part */
export function backendOf(given: unknown): RegistryBackend {
  const faults = faultsOf(given);
  if (!isBackend(given, faults)) throw new Error(faults.join(', '));
  return given;
}

function isBackend(given: unknown, faults: readonly string[]): given is RegistryBackend {
  return isObject(given) && faults.length === 0;
}

function faultsOf(given: unknown): readonly string[] {
  if (!isObject(given)) return ['it is no object'];
  const { capabilities, beatMs, close } = given;
  return [
    ...missing(given, PARTS),
    ...(isObject(capabilities) ? missing(capabilities, CAPABILITIES) : ['capabilities is no object']),
    ...(typeof beatMs === 'number' && !(beatMs >= LEAST_BEAT_MS) ? [`beatMs is less than ${LEAST_BEAT_MS}`] : []),
    ...(close !== undefined && typeof close !== 'function' ? ['close is no function'] : []),
  ];
}

function missing(of: Json, parts: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(parts).flatMap(([name, type]) => (typeof of[name] === type ? [] : [`${name} is no ${type}`]));
}
