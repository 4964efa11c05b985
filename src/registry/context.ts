import type { Clock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';
import type { Secrets } from './secrets.ts';

/** The environment of registries. */
export interface RegistryContext {
  readonly clock: Clock;
  readonly log: Log;
}

/** The environment of every adapter. */
export interface AdapterContext extends RegistryContext {
  /** Secrets to mask in texts of its servers. */
  readonly secrets: Secrets;
}
