import type { ConsumerStatus } from './consumer/consumer.ts';
import type { State } from './lifecycle/transitions.ts';
import type { Coverage } from './provider/fanout.ts';
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
  /** What has to happen before the next state, in words. */
  readonly waitsFor: string;
  readonly ready: boolean;
  readonly registry: {
    readonly type: string;
    readonly address: string;
    /** It has confirmed this instance. */
    readonly listed: boolean;
    readonly failing?: { readonly since: string; readonly message: string };
  };
  /** `host:port` under which it is registered. */
  readonly address: string | undefined;
  /** Part of its full share that consumers give it, 0 to 1: below 1 while it warms up. */
  readonly weight: number;
  readonly requests: {
    readonly started: number;
    readonly inflight: number;
    /** From callers without the plugin. */
    readonly unmanaged: number;
  };
  readonly consumers: {
    /** Callers of the last ten minutes with an address to notify. */
    readonly recent: number;
    /** How many processes of each service they are. */
    readonly services: Readonly<Record<string, number>>;
    /** Callers that were forgotten because there were too many. */
    readonly overflowed: number;
  };
  readonly online: { readonly traceId: string } | undefined;
  readonly offline: ({ readonly traceId: string; readonly url: string } & Coverage) | undefined;
  /** The services that it calls. */
  readonly calls: ConsumerStatus;
  readonly telemetry: Delivery | undefined;
}
