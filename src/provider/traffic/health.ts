import type { IncomingHttpHeaders } from 'node:http';

/** How health checks of platforms begin to name themselves. They are nobody's calls. */
const AGENTS = ['kube-probe/', 'ELB-HealthChecker/', 'GoogleHC/', 'Consul Health Check', 'Envoy/HC', 'Prometheus/'];

/** Prometheus and every scraper that is built from it send this header. */
const SCRAPE_HEADER = 'x-prometheus-scrape-timeout-seconds';

/** Methods that ask for no work. HAProxy checks by OPTIONS when it is told nothing else. */
const METHODS: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** How paths of health checks are usually called. */
const USUAL =
  /^\/(?:[\w.-]+\/){0,3}[-_]*(?:health|healthz|healthy|healthcheck|health-check|ready|readyz|readiness|live|livez|liveness|ping|lb-status)\/?$/i;

/** How paths of metrics are usually called. */
const METRICS = /\/(?:metrics|prometheus)$/i;

/** Scheme and host, which a request may have before its path (RFC 9112, 3.2.2). */
const ORIGIN = /^https?:\/\/[^/?]*/i;

/** Longest path that is taken for one of health checks. */
const LONGEST = 128;

/** What of a request tells whether it is a health check. */
export interface Asked {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** Tells health checks and scrapes from calls. */
export class Health {
  readonly #paths: ReadonlySet<string>;

  /** @param paths paths of health checks on the application's own port, without a query */
  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths);
  }

  /** Whether a balancer asks if this instance can be used: the answer is no while it leaves. */
  isCheck({ method, url }: Omit<Asked, 'headers'>): boolean {
    return url !== undefined && this.#paths.size > 0 && METHODS.has(method) && this.#paths.has(pathOf(url));
  }

  /** Whether it is a health check of a platform or a scrape. Who only names himself as one and asks for something else is a caller. */
  isProbe(asked: Asked): boolean {
    if (this.isCheck(asked)) return true;
    const { headers, method, url = '' } = asked;
    if (!METHODS.has(method)) return false;
    if (headers[SCRAPE_HEADER] !== undefined) return true;
    if (!AGENTS.some((agent) => headers['user-agent']?.startsWith(agent))) return false;
    const path = pathOf(url);
    // Checks of the root have connections of their own; a site of that name is called on those that stay.
    if (path === '/') return headers.connection?.toLowerCase() === 'close';
    return path.length <= LONGEST && (USUAL.test(path) || METRICS.test(path));
  }

  /** The path of `url`, when it is called as health checks usually are and is not known as one. */
  unknownCheck(url: string | undefined): string | undefined {
    const path = pathOf(url ?? '');
    return path.length <= LONGEST && USUAL.test(path) && !this.#paths.has(path) ? path : undefined;
  }
}

function pathOf(url: string): string {
  const local = url.startsWith('/') ? url : url.replace(ORIGIN, '');
  const query = local.indexOf('?');
  return query < 0 ? local : local.slice(0, query);
}
