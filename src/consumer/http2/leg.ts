import type { CallContext } from '../call/call-context.ts';
import { isUnsent, MOST_ATTEMPTS } from '../call/unsent.ts';
import type { Listed } from '../directory/directory.ts';
import type { Endpoint } from '../directory/endpoint.ts';
import type { Service } from '../directory/service.ts';
import type { Target, Way } from './dial.ts';

/** What the guard calls this. */
const HOOK = 'a connection of node:http2';

export interface LegOptions {
  readonly context: CallContext;
  readonly found: Service | Promise<Service | undefined>;
  /** The destination for a host that is not a service, or a service without HTTP/2. */
  readonly plain: Target;
  /** No instance of the service accepted the connection. */
  readonly onFailed: (service: Service, error: Error) => void;
}

/** The way of one session to an instance, and to the next one while connections are refused; until then nothing is sent. */
export class Leg implements Way {
  readonly first: Target | Promise<Target>;
  readonly #options: LegOptions;
  readonly #tried = new Set<Endpoint>();
  #listed: Listed | undefined;
  /** The application may close the session before it has a connection. */
  session: { readonly destroyed: boolean } | undefined;

  constructor(options: LegOptions) {
    const { found, plain } = options;
    this.#options = options;
    this.first =
      found instanceof Promise ? found.then((service) => this.#begin(service)).catch(() => plain) : this.#begin(found);
  }

  /** The instance of the session; undefined: not known yet, or none. */
  get listed(): Listed | undefined {
    return this.#listed;
  }

  next(error: Error): Target | undefined {
    return this.#options.context.guard.attempt(HOOK, () => this.#next(error), nothing);
  }

  #begin(service: Service | undefined): Target {
    const endpoint = service?.pickAmong('h2', () => true);
    this.#listed = service && endpoint && { service, endpoint };
    return endpoint?.targetOf('h2') ?? this.#options.plain;
  }

  #next(error: Error): Target | undefined {
    if (this.#listed === undefined || this.session?.destroyed || !isUnsent(error)) return undefined;
    const { service, endpoint } = this.#listed;
    service.rest(endpoint);
    this.#tried.add(endpoint);
    const isLast = this.#tried.size >= MOST_ATTEMPTS;
    const next = isLast ? undefined : service.pickAmong('h2', (other) => !this.#tried.has(other));
    if (next === undefined) this.#options.onFailed(service, error);
    else this.#listed = { service, endpoint: next };
    return next?.targetOf('h2');
  }
}

function nothing(): undefined {}
