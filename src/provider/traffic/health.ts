import type { IncomingHttpHeaders } from 'node:http';

/** Beginnings of user agents of platform health checks, which are not calls. */
const AGENTS = ['kube-probe/', 'ELB-HealthChecker/', 'GoogleHC/', 'Consul Health Check', 'Envoy/HC', 'Prometheus/'];

/** Header of Prometheus and every scraper built from it. */
const SCRAPE_HEADER = 'x-prometheus-scrape-timeout-seconds';

/** Methods of health checks. HAProxy uses OPTIONS by default. */
const METHODS: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Usual paths of health checks. */
const USUAL =
  /^\/(?:[\w.-]+\/){0,3}[-_]*(?:health|healthz|healthy|healthcheck|health-check|ready|readyz|readiness|live|livez|liveness|ping|lb-status)\/?$/i;

/** Usual paths of metrics. */
const METRICS = /\/(?:metrics|prometheus)$/i;

/** Scheme and host, which a request may have before its path (RFC 9112, 3.2.2). */
const ORIGIN = /^https?:\/\/[^/?]*/i;

/** Longest path of a health check. */
const LONGEST = 128;

/** The parts of a request that show whether it is a health check. */
export interface Asked {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** Distinguishes health checks and scrapes from calls. */
export class Health {
  readonly #paths: ReadonlySet<string>;

  /** @param paths paths of health checks on the application's own port, without a query */
  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths);
  }

  /** Whether a balancer checks whether this instance can be used; the answer is no while it leaves. */
  isCheck({ method, url }: Omit<Asked, 'headers'>): boolean {
    return url !== undefined && this.#paths.size > 0 && METHODS.has(method) && this.#paths.has(pathOf(url));
  }

  /** Whether it is a health check of a platform or a scrape. A request for anything else is a call, whatever its user agent. */
  isProbe(asked: Asked): boolean {
    if (this.isCheck(asked)) return true;
    const { headers, method, url = '' } = asked;
    if (!METHODS.has(method)) return false;
    if (headers[SCRAPE_HEADER] !== undefined) return true;
    if (!AGENTS.some((agent) => headers['user-agent']?.startsWith(agent))) return false;
    const path = pathOf(url);
    // A check of `/` has a connection of its own; calls of a web page at `/` come on connections that stay.
    if (path === '/') return headers.connection?.toLowerCase() === 'close';
    return path.length <= LONGEST && (USUAL.test(path) || METRICS.test(path));
  }

  /** The path of `url`, when it is a usual path of health checks and is not configured as one. */
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
