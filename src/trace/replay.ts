import type { ClientRequest, IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Spool } from './spool.ts';
import { suppressTracing } from './suppress.ts';
import type { Target } from './tracing.ts';

/** What a replay has done. */
export interface Replayed {
  readonly sent: number;
  /** Files that still wait. */
  readonly waiting: number;
  /** Why it stopped before the spool was empty. */
  readonly reason?: string;
}

/** Sends the files of a spool, oldest first, and stops at the first that the collector does not take. Never rejects. */
export async function replaySpool(spool: Spool, target: Target): Promise<Replayed> {
  let sent = 0;
  for (let claim = await spool.claim(); claim !== undefined; claim = await spool.claim()) {
    const reason = await post(claim.body, target);
    if (reason !== undefined) {
      await claim.release();
      return { sent, waiting: await spool.size(), reason };
    }
    await claim.done();
    sent++;
  }
  return { sent, waiting: await spool.size() };
}

/** Sends one body; resolves with why it was not taken, or with nothing. */
async function post(body: string, { endpoint, headers, compression, timeoutMs }: Target): Promise<string | undefined> {
  const content = compression === 'gzip' ? await promisify(gzip)(body) : Buffer.from(body);
  const { request } =
    endpoint.protocol === 'https:' ? await import('node:https') : process.getBuiltinModule('node:http');
  return new Promise((resolve) => {
    const call: ClientRequest = suppressTracing(() =>
      request(endpoint, {
        method: 'POST',
        agent: false,
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          ...headers,
          'content-type': 'application/json',
          'content-length': content.length,
          ...(compression === 'gzip' && { 'content-encoding': 'gzip' }),
        },
      }),
    );
    call.on('error', (error) => resolve(error.message));
    call.on('response', (response: IncomingMessage) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 300 ? undefined : `the collector answered ${status}`);
    });
    call.end(content);
  });
}
