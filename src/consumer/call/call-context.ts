import type { Guard } from '../../guard.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import type { Endpoint } from '../directory/endpoint.ts';
import type { Service } from '../directory/service.ts';

/** The part of the consumer that a request in progress needs, with any client. */
export interface CallContext {
  readonly clock: Clock;
  readonly guard: Guard;
  /** Value of the consumer header; undefined: none is sent. */
  readonly header: string | undefined;
  /** The service of `origin` (or of a host), or a promise of it while its first list is read. */
  route(origin: string): Service | Promise<Service | undefined> | undefined;
  /** A response of `endpoint` carried a draining marker. */
  marked(service: Service, endpoint: Endpoint, marker: string): void;
}
