/**
 * A program that does one thing once and tells, as it ends, what its process has cost: `begin.mjs <what> <url> <stay>`.
 * Plain JavaScript, so that no compiler is measured.
 */
import { createServer, request } from 'node:http';

const [what, url, stay] = process.argv.slice(2);

const THINGS = {
  /** Listens. */
  serve: () =>
    new Promise((resolve) =>
      createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1', () => resolve(undefined)),
    ),
  'http.request': () =>
    new Promise((resolve, reject) =>
      request(url, { agent: false }, (response) => response.resume().on('end', resolve))
        .on('error', reject)
        .end(),
    ),
  fetch: async () => (await fetch(url)).text(),
  undici: async () => {
    const { request: send } = await import('undici');
    await (await send(url)).body.text();
  },
};

await THINGS[what]();
const ms = performance.now();
process.once('exit', () => {
  const { user, system } = process.cpuUsage();
  process.stdout.write(`${JSON.stringify({ cpuMs: (user + system) / 1_000, ms })}\n`);
});
setTimeout(() => process.exit(), Number(stay));
