import type { Guard } from '../../guard.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Journal } from '../../lifecycle/journal.ts';
import type { Machine } from '../../lifecycle/machine.ts';
import type { EntryMode } from '../../lifecycle/outcomes.ts';
import type { Identity } from '../../protocol/identity.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Probers } from '../entry/probers.ts';
import type { Registration } from '../registration/registration.ts';
import type { Callers } from '../traffic/callers.ts';
import type { Curve } from '../traffic/curve.ts';
import type { Traffic } from '../traffic/traffic.ts';
import type { Unmanaged } from '../traffic/unmanaged.ts';
import type { Handlers } from '../work/handlers.ts';
import type { Tasks } from '../work/tasks.ts';
import type { FanoutOptions } from './fanout.ts';

/** The parts of the instance that an offline uses. */
export interface OfflineContext {
  readonly clock: Clock;
  readonly guard: Guard;
  readonly journal: Journal;
  readonly machine: Machine;
  readonly traffic: Traffic;
  readonly callers: Callers;
  readonly unmanaged: Unmanaged;
  readonly probers: Probers;
  /** Connections a second in the last minute, of callers without a balancer. */
  readonly arrivals: Curve;
  readonly curve: Curve;
  /** Tasks and handlers of the application. */
  readonly tasks: Tasks;
  readonly handlers: Handlers;
  readonly registry: Registry;
  readonly registration: Registration;
  /** Whether the status file is left, so that a proxy beside the application takes this instance for ready. */
  readonly isStatusFileLeft: () => boolean;
  /** The instance has been ready at least once, registered or only on a Unix socket. */
  readonly wasReady: boolean;
  readonly identity: () => Identity;
  readonly settings: OfflineSettings;
  readonly trust: Pick<FanoutOptions, 'keys' | 'tls'>;
}

export interface OfflineSettings {
  readonly gracePeriodMs: number;
  readonly holdMs: number;
  readonly entry: EntryMode;
  readonly entryPorts: readonly number[];
  readonly entryCheckMs: number;
  readonly goawayTimeoutMs: number;
  readonly sessionNotice: boolean;
  readonly streamMs: number | undefined;
}
