/**
 * For authors of a registry of their own: what its module gives, how it is opened, and the contract that every registry of
 * this package keeps, as tests for any runner. docs/registries/own.md shows all of it.
 */
import { registryUrls } from './config/registries.ts';
import { systemClock } from './lifecycle/clock.ts';
import type { Log } from './log.ts';
import { openRegistries } from './registry/open.ts';
import type { Registry } from './registry/registry.ts';

export { type ErrorCode, LosslessError } from './errors.ts';
export type { Log } from './log.ts';
export { type Case, contract } from './registry/contract/contract.ts';
export type { OtherProcess, Subject } from './registry/contract/subject.ts';
export type { Protocol, ProtocolEndpoint } from './registry/endpoints.ts';
export type { Round } from './registry/follow.ts';
export type { OpenBackend, RegistryBackend } from './registry/module/backend.ts';
export type { Capabilities, Failure, Instance, Listener, Registry } from './registry/registry.ts';

/**
 * Opens a registry as the plugin does: each call of a backend is bounded, each list is checked, heartbeats are sent.
 *
 * @param text as LOSSLESS_REGISTRY has it
 * @param log for events other than a failed call. Default: no log.
 * @throws LosslessError LOSSLESS_REGISTRY_URL, LOSSLESS_REGISTRY_MODULE; Error when `text` breaks the rule of LOSSLESS_REGISTRY
 */
export async function openRegistry(text: string, log: Log = () => {}): Promise<Registry> {
  return openRegistries(registryUrls(text), { clock: systemClock, log });
}
