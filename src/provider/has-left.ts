import type { Instance, Registry } from '../registry/registry.ts';
import type { RecentCaller } from './callers.ts';

/**
 * Whether a consumer has left: the registry lists other instances of its service, but not this one. What something else than
 * the plugin has listed (generation 0) is known by its host alone.
 *
 * @throws LosslessError LOSSLESS_REGISTRY_UNAVAILABLE
 */
export async function hasLeft(
  registry: Registry,
  { caller, address }: Pick<RecentCaller, 'caller' | 'address'>,
): Promise<boolean> {
  const host = address.replace(/^::ffff:/, '');
  const isThis = (instance: Instance): boolean =>
    instance.generation === 0 ? instance.host === host : instance.instanceId === caller.instanceId;
  const listed = await registry.instances(caller.service);
  return listed.length > 0 && !listed.some(isThis);
}
