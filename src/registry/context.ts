import type { Clock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import type { Secrets } from './secrets.ts';

/** What registries work with. */
export interface RegistryContext {
  readonly clock: Clock;
  readonly log: Log;
}

/** What every adapter is given. */
export interface AdapterContext extends RegistryContext {
  /** What must not be told of what its servers say. */
  readonly secrets: Secrets;
}
