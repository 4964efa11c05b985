/**
 * A program that does one thing once and prints at its end what its process has cost: `begin.cjs <what> <url> <stay>`.
 * Plain JavaScript, so that no compiler is measured, and CommonJS, which loads only the used parts of Node.js.
 */
'use strict';

const http = () => require('node:http');

const [what, url, stay] = process.argv.slice(2);

const THINGS = {
  /** Listens. */
  serve: () =>
    new Promise((resolve) =>
      http()
        .createServer((_, response) => response.end('ok'))
        .listen(0, '127.0.0.1', resolve),
    ),
  'http.request': () =>
    new Promise((resolve, reject) =>
      http()
        .request(url, { agent: false }, (response) => response.resume().on('end', resolve))
        .on('error', reject)
        .end(),
    ),
  fetch: async () => (await fetch(url)).text(),
  undici: async () => {
    const { body } = await require('undici').request(url);
    await body.text();
  },
};

THINGS[what]().then(() => {
  const ms = performance.now();
  process.once('exit', () => {
    const { user, system } = process.cpuUsage();
    process.stdout.write(`${JSON.stringify({ cpuMs: (user + system) / 1_000, ms })}\n`);
  });
  setTimeout(() => process.exit(), Number(stay));
});
