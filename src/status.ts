import type { Consumer, ConsumerStatus } from './consumer/consumer.ts';
import type { Coverage } from './lifecycle/facts.ts';
import type { Machine } from './lifecycle/machine.ts';
import type { State } from './lifecycle/transitions.ts';
import { hostPort } from './protocol/host-port.ts';
import type { Identity } from './protocol/identity.ts';
import type { Probers } from './provider/entry/probers.ts';
import type { StatusFile } from './provider/entry/status-file.ts';
import type { Offline } from './provider/offline/offline.ts';
import type { Online } from './provider/online/online.ts';
import type { Callers } from './provider/traffic/callers.ts';
import type { Traffic } from './provider/traffic/traffic.ts';
import type { Unmanaged } from './provider/traffic/unmanaged.ts';
import type { Tasks } from './provider/work/tasks.ts';
import type { Instance, Registry } from './registry/registry.ts';
import type { Telemetry } from './trace/telemetry.ts';
import type { Delivery } from './trace/tracing.ts';

/** One instance, as `/status`, `lossless status` and `status()` show it. */
export interface Status {
  readonly service: string;
  readonly instanceId: string;
  /** Start of the process, milliseconds since the Unix epoch. */
  readonly generation: number;
  readonly state: State;
  /** When the state was entered, ISO 8601. */
  readonly since: string;
  /** The condition for the next state, in words. */
  readonly waitsFor: string;
  readonly ready: boolean;
  readonly registry: {
    readonly type: string;
    readonly address: string;
    /** The registry has confirmed this instance. */
    readonly listed: boolean;
    readonly failing?: { readonly since: string; readonly message: string };
  };
  /** `host:port` under which it is registered. */
  readonly address: string | undefined;
  /** Part of its full share that consumers give the instance, 0 to 1; below 1 while it warms up. */
  readonly weight: number;
  readonly requests: {
    readonly started: number;
    readonly inflight: number;
    /** From callers without the plugin. */
    readonly unmanaged: number;
  };
  /** Tasks of `waitUntil` that run, by name. */
  readonly tasks: Readonly<Record<string, number>>;
  readonly consumers: {
    /** Callers of the last ten minutes with an address to notify. */
    readonly recent: number;
    /** Number of processes, by service. */
    readonly services: Readonly<Record<string, number>>;
    /** Callers that a full table has forgotten. */
    readonly overflowed: number;
  };
  /** Callers without the plugin. */
  readonly unmanaged: {
    /** Their open connections. */
    readonly connections: number;
    /** Idle connections of such callers that a server has closed, perhaps with a request on its way. */
    readonly idleClosed: number;
    /** Health checks of balancers, by whether they were answered that the instance can be used. */
    readonly checks: { readonly good: number; readonly failing: number };
    /** Whether the last write or removal of LOSSLESS_STATUS_FILE failed, so that the file shows an old state. */
    readonly statusFileFailing: boolean;
  };
  readonly online: { readonly traceId: string } | undefined;
  readonly offline: ({ readonly traceId: string; readonly url: string } & Coverage) | undefined;
  /** Services that this instance calls. */
  readonly calls: ConsumerStatus;
  readonly telemetry: Delivery | undefined;
}

/** The parts from which the status is read. */
export interface StatusParts {
  readonly identity: Identity;
  readonly machine: Machine;
  readonly online: Online | undefined;
  readonly offline: { readonly traceId: string; readonly url: string; readonly run: Offline } | undefined;
  readonly ready: boolean;
  readonly registry: Registry;
  readonly listed: boolean;
  readonly advertised: Pick<Instance, 'host' | 'port'> | undefined;
  readonly weight: number;
  readonly traffic: Traffic;
  readonly tasks: Tasks;
  readonly callers: Callers;
  readonly unmanaged: Unmanaged;
  readonly probers: Probers;
  readonly statusFile: StatusFile | undefined;
  readonly consumer: Consumer;
  readonly telemetry: Telemetry;
}

export function statusOf(parts: StatusParts): Status {
  const { advertised, callers, listed, machine, offline, online, traffic } = parts;
  const { type, address, failure } = parts.registry;
  return {
    ...parts.identity,
    state: machine.state,
    since: new Date(machine.since).toISOString(),
    waitsFor: offline?.run.waitsFor ?? online?.waitsFor ?? 'an HTTP server of the application',
    ready: parts.ready,
    registry: {
      type,
      address,
      listed,
      ...(failure && { failing: { since: new Date(failure.since).toISOString(), message: failure.message } }),
    },
    address: advertised && hostPort(advertised),
    weight: parts.weight,
    requests: { started: traffic.counts.started, inflight: traffic.inflight, unmanaged: parts.unmanaged.requests },
    tasks: parts.tasks.running,
    consumers: { recent: callers.recent().length, services: callers.byService(), overflowed: callers.overflowed },
    unmanaged: {
      connections: parts.unmanaged.open,
      idleClosed: parts.unmanaged.idleClosed,
      checks: parts.probers.checks,
      statusFileFailing: parts.statusFile?.isFailing ?? false,
    },
    online: online && { traceId: online.ids.traceId },
    offline: offline && { traceId: offline.traceId, url: offline.url, ...offline.run.coverage },
    calls: parts.consumer.status(),
    telemetry: parts.telemetry.delivery,
  };
}
