import type { IncomingMessage } from 'node:http';

/** Longest answer, or line of a stream, in characters: ten thousand instances of 3 kB. */
const LONGEST = 32 * 1_024 * 1_024;

/** The whole answer. @throws Error when it is too long */
export function readText(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: string[] = [];
    let length = 0;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      length += chunk.length;
      if (length > LONGEST) reject(new Error(`the answer has more than ${LONGEST} characters`));
      else chunks.push(chunk);
    });
    response.on('end', () => resolve(chunks.join('')));
  });
}

/** Resolves at the end of the answer. @throws Error when a line is too long, and what `onLine` throws */
export function readLines(response: IncomingMessage, onLine: (line: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let started = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      // A long line comes in many pieces, which are put together once.
      const lines = chunk.includes('\n') ? (started + chunk).split('\n') : [started + chunk];
      started = lines.pop() ?? '';
      try {
        if (started.length > LONGEST) throw new Error(`a line has more than ${LONGEST} characters`);
        for (const line of lines) if (line.trim() !== '') onLine(line);
      } catch (thrown) {
        reject(thrown);
      }
    });
    response.on('end', () => resolve());
  });
}

/** A status in words. */
export function refusal(status: number): string {
  return status === 401 || status === 403 ? `the registry refuses these credentials (${status})` : `status ${status}`;
}

/** An error of the network in words: several addresses of a host fail with one error that has no message. */
export function tell(error: NodeJS.ErrnoException): string {
  return error.message || error.code || error.name;
}
