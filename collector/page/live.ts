import { useLayoutEffect, useState } from 'preact/hooks';

/** The answer of a URL of the collector, kept up to date. */
export interface Live<T> {
  /** The last good answer. */
  readonly data: T | undefined;
  /** Why there is no newer answer, in words; empty when all is well. */
  readonly problem: string;
  /** The last status; 0 before the first answer. */
  readonly status: number;
}

/** Longest wait for an answer, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Wait after a failed request, in milliseconds. */
const AGAIN_MS = 2_000;

/**
 * Asks a URL again and again, one request at a time, and only while the page is visible. The collector does not send an unchanged
 * answer again. `everyMs` gives the wait after an answer; it gets undefined before the first good one.
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
        // Called for an unchanged answer too, because the picture also depends on the time: whether a shutdown may still run.
        tell((before) => ({ ...before, problem, status }));
      }
      await pause(everyMs(data), gone);
    } catch {
      if (gone.aborted) return;
      tell((before) => ({ ...before, problem: 'this page cannot reach the collector and asks again' }));
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

/** Resolves when the page is visible. */
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
