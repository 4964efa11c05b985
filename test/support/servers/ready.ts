import type { Child } from '../process/child.ts';
import { until } from '../until.ts';

/** Resolves when a server answers this URL with a 2xx; rejects with its output when it ends before. */
export async function ready(server: Child, url: string): Promise<void> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  server.ended.then(end, end);
  await until(async () => ended || (await answers(url)), 60_000);
  if (ended) throw new Error(`${server.process.spawnargs.join(' ')} ended\n${server.stdout}${server.stderr}`);
}

function answers(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
    async (response) => {
      await response.body?.cancel();
      return response.ok;
    },
    () => false,
  );
}
