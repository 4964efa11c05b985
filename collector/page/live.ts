import { useLayoutEffect, useState } from 'preact/hooks';

/** What a URL of the collector answers, kept up to date. */
export interface Live<T> {
  /** The last good answer. */
  readonly data: T | undefined;
  /** Why there is no newer one, in words; empty when all is well. */
  readonly problem: string;
  /** The last status; 0 while there was no answer. */
  readonly status: number;
}

/** Longest wait for an answer, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Time to the next request after one that failed, in milliseconds. */
const AGAIN_MS = 2_000;

/**
 * Asks a URL again and again, one request at a time, and only while the page is seen. What has not changed is not sent
 * again. `everyMs` says how long to wait after an answer, or undefined before there was one.
 */
export function useLive<T>(url: string, everyMs: (data: T | undefined) => number): Live<T> {
  const [live, setLive] = useState<Live<T>>({ data: undefined, problem: '', status: 0 });
  // Not useEffect: that waits for the empty page to be painted.
  useLayoutEffect(() => {
    const gone = new AbortController();
    void follow<T>(url, everyMs, setLive, gone.signal);
    return () => gone.abort();
  }, [url]);
  return live;
}

async function follow<T>(
  url: string,
  everyMs: (data: T | undefined) => number,
  tell: (change: (before: Live<T>) => Live<T>) => void,
  gone: AbortSignal,
): Promise<void> {
  let etag = '';
  let data: T | undefined;
  while (!gone.aborted) {
    try {
      const signal = AbortSignal.any([gone, AbortSignal.timeout(TIMEOUT_MS)]);
      const response = await fetch(url, { signal, cache: 'no-store', headers: { 'if-none-match': etag } });
      const { status } = response;
      if (response.ok) {
        data = (await response.json()) as T;
        etag = response.headers.get('etag') ?? '';
        const fresh = data;
        tell(() => ({ data: fresh, problem: '', status }));
      } else {
        const problem = status === 304 ? '' : `the collector answered ${status}`;
        // Told also when nothing is new: what is shown depends on the time as well, as whether a shutdown may still run.
        tell((before) => ({ ...before, problem, status }));
      }
      await pause(everyMs(data), gone);
    } catch {
      if (gone.aborted) return;
      tell((before) => ({ ...before, problem: 'the collector cannot be reached; asking again' }));
      await pause(AGAIN_MS, gone);
    }
    await seen(gone);
  }
}

function pause(ms: number, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer);
      gone.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    gone.addEventListener('abort', over);
  });
}

/** Resolves when somebody looks. */
function seen(gone: AbortSignal): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const over = (): void => {
      document.removeEventListener('visibilitychange', over);
      gone.removeEventListener('abort', over);
      resolve();
    };
    document.addEventListener('visibilitychange', over);
    gone.addEventListener('abort', over);
  });
}
