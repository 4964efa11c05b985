import type { IncomingHttpHeaders } from 'node:http';

/** How health checks of platforms begin to name themselves. They are nobody's calls. */
const AGENTS = ['kube-probe/', 'ELB-HealthChecker/', 'GoogleHC/', 'Consul Health Check', 'Envoy/HC', 'Prometheus/'];

/** Prometheus and every scraper that is built from it send this header. */
const SCRAPE_HEADER = 'x-prometheus-scrape-timeout-seconds';

/** How paths of health checks are usually called. */
const USUAL =
  /^\/(?:[\w.-]+\/){0,3}[-_]*(?:health|healthz|healthy|healthcheck|health-check|ready|readyz|readiness|live|livez|liveness|ping|lb-status)\/?$/i;

/** Tells health checks and scrapes from calls. */
export class Health {
  readonly #paths: ReadonlySet<string>;

  /** @param paths paths of health checks on the application's own port, without a query */
  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths);
  }

  /** Whether a balancer asks at `url` if this instance can be used: the answer is no while it leaves. */
  isCheck(url: string | undefined): boolean {
    return url !== undefined && this.#paths.size > 0 && this.#paths.has(pathOf(url));
  }

  /** Whether the sender is a health check of a platform or a scraper, wherever it asks. */
  isProber(headers: IncomingHttpHeaders): boolean {
    return headers[SCRAPE_HEADER] !== undefined || AGENTS.some((agent) => headers['user-agent']?.startsWith(agent));
  }

  /** The path of `url`, when it is called as health checks usually are and is not known as one. */
  unknownCheck(url: string | undefined): string | undefined {
    const path = pathOf(url ?? '');
    return path.length <= 128 && USUAL.test(path) && !this.#paths.has(path) ? path : undefined;
  }
}

function pathOf(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}
