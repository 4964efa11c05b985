import { jaegerTrace } from './jaeger.ts';
import { type Answer, traceIdOf } from './jaeger-answer.ts';
import { pageFile, runbookFile } from './page-files.ts';
import { wholeNumber } from './query-parameters.ts';
import { Refused } from './refused.ts';
import { Releases } from './releases.ts';
import { type ShutdownQuery, Shutdowns } from './shutdowns.ts';
import type { Store } from './store.ts';
import { Verdicts } from './verdicts.ts';

/** A file of the page. */
export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

/** An answer as JSON, and the tag with which a browser asks whether it has changed. */
export interface Tagged {
  readonly etag: string;
  answer(): Answer | Promise<Answer>;
}

/** Files of the page by the last part of their path. */
const TYPES: Readonly<Record<string, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'main.js': 'text/javascript; charset=utf-8',
  'style.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
};

/** The element from which the page reads the address of a Jaeger. */
const NO_JAEGER = jaegerTag('');

/** Headers of every file: the page runs its own script, talks to its own server and is shown in no frame. */
export const PAGE_HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
};

/** Microseconds in a second and in a millisecond. */
const MICROSECONDS = 1_000_000;
const MILLISECONDS = 1_000;

/** Longest searched text, in characters. */
const LONGEST_SEARCH = 200;

/** A list of the last minutes changes although nothing arrives, so it is made anew at this interval, in milliseconds. */
const WITHIN_EVERY_MS = 10_000;

/** Serves the page and its data. */
export class PageServer {
  readonly #store: Store;
  readonly #verdicts: Verdicts;
  readonly #shutdowns: Shutdowns;
  readonly #releases: Releases;
  readonly #jaegerUrl: string;
  readonly #assets = new Map<string, Asset>();
  /** Tells runs apart, because the store counts its changes from 0 in each process. */
  readonly #run = Date.now().toString(36);

  /** @param jaegerUrl URL of a Jaeger with the same traces; empty for none */
  constructor(store: Store, jaegerUrl = '') {
    this.#store = store;
    this.#jaegerUrl = jaegerUrl;
    this.#verdicts = new Verdicts(store);
    this.#shutdowns = new Shutdowns(store, this.#verdicts);
    this.#releases = new Releases(store, this.#verdicts);
  }

  /** `/`, `/trace/<id>`, `/release/<service>[/<name>]`, `/runbooks/<name>.md` and the files that they need; undefined for any other path. @throws Error when the page was not built */
  asset([first = '', second, ...rest]: readonly string[]): Asset | undefined {
    if (first === 'release' && second && rest.length <= 1) return this.#read('index.html');
    if (rest.length > 0) return undefined;
    if (first === '' && second === undefined) return this.#read('index.html');
    if (first === 'trace' && second) return this.#read('index.html');
    if (first === 'runbooks' && second) return runbook(second);
    return first === 'page' && second !== undefined && Object.hasOwn(TYPES, second) ? this.#read(second) : undefined;
  }

  /**
   * `/page/shutdowns`, `/page/traces/<id>`, `/page/traces/<id>/release` and `/page/releases/<service>[/<name>]`; undefined for any
   * other path. @throws Refused
   */
  data([first, kind, id, more, ...rest]: readonly string[], query: URLSearchParams): Tagged | undefined {
    if (first !== 'page' || rest.length > 0) return undefined;
    if (kind === 'shutdowns' && id === undefined) return this.#list(query);
    if (kind === 'traces' && id !== undefined && more === undefined) return this.#trace(traceIdOf(id));
    if (kind === 'traces' && id !== undefined && more === 'release')
      return this.#found(() => this.#releases.ofTrace(traceIdOf(id)), 'the collector knows no release of this trace');
    if (kind !== 'releases' || !id) return undefined;
    const namespace = query.get('namespace') ?? undefined;
    return more === undefined
      ? this.#found(() => this.#releases.list(id, namespace), '')
      : this.#found(() => this.#releases.one(id, namespace, more), 'release not found');
  }

  #list(query: URLSearchParams): Tagged {
    const within = wholeNumber(query, 'within');
    const tick = within === undefined ? '' : `-${Math.floor(Date.now() / WITHIN_EVERY_MS)}`;
    const [from, to] = [wholeNumber(query, 'from'), wholeNumber(query, 'to')];
    const wanted: ShutdownQuery = {
      kind: query.get('kind') ?? undefined,
      service: query.get('service') || undefined,
      result: query.get('result') || undefined,
      search: query.get('search')?.trim().slice(0, LONGEST_SEARCH) || undefined,
      before: wholeNumber(query, 'before') ?? Number.MAX_SAFE_INTEGER,
      to: to === undefined ? Number.MAX_SAFE_INTEGER : to * MILLISECONDS,
      endedSince: Math.max(
        within === undefined ? 0 : (Date.now() / 1_000 - within) * MICROSECONDS,
        (from ?? 0) * MILLISECONDS,
      ),
    };
    return {
      etag: `"${this.#run}-${this.#store.revision}${tick}"`,
      answer: async () => ({ status: 200, body: await this.#shutdowns.list(wanted) }),
    };
  }

  /** An answer that changes with the store, with the time, and as traces are read for it. */
  #found(find: () => object | undefined | Promise<object | undefined>, missing: string): Tagged {
    const tick = Math.floor(Date.now() / WITHIN_EVERY_MS);
    return {
      etag: `"${this.#run}-${this.#store.revision}-${this.#verdicts.made}-${tick}"`,
      answer: async () => {
        const found = await find();
        if (found === undefined) throw new Refused(404, missing);
        return { status: 200, body: found };
      },
    };
  }

  #trace(traceId: string): Tagged {
    return {
      etag: `"${this.#store.version(traceId)}"`,
      answer: () => {
        const [spans] = this.#store.traces([traceId]);
        if (spans === undefined) throw new Refused(404, 'trace not found');
        return { status: 200, body: jaegerTrace(spans) };
      },
    };
  }

  #read(name: string): Asset {
    const known = this.#assets.get(name);
    if (known !== undefined) return known;
    const file = pageFile(name);
    const body =
      name === 'index.html' ? Buffer.from(String(file).replace(NO_JAEGER, jaegerTag(this.#jaegerUrl))) : file;
    const asset = { type: TYPES[name] ?? '', body };
    this.#assets.set(name, asset);
    return asset;
  }
}

/** A URL contains no quote that would end the attribute. */
function jaegerTag(url: string): string {
  return `<meta name="jaeger" content="${url.replaceAll('&', '&amp;')}" />`;
}

/** A runbook as plain text, which a browser shows as it is. */
function runbook(name: string): Asset | undefined {
  const body = runbookFile(name);
  return body && { type: 'text/plain; charset=utf-8', body };
}
