import type { Guard } from '../../guard.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Endpoint } from '../directory/endpoint.ts';
import type { Service } from '../directory/service.ts';

/** What a request in progress needs from the consumer, whichever client it is made with. */
export interface CallContext {
  readonly clock: Clock;
  readonly guard: Guard;
  /** Value of the consumer header; undefined: none is sent. */
  readonly header: string | undefined;
  /** The service `origin` (or a host alone) is, or a promise of it while its first list is read. */
  route(origin: string): Service | Promise<Service | undefined> | undefined;
  /** A response of `endpoint` carried a draining marker. */
  marked(service: Service, endpoint: Endpoint, marker: string): void;
}
