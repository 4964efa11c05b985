/** A provider whose first requests are slow, one after the other, as with lazy code and an empty cache: `cold-provider.ts <requests> <ms>`. */
import { createServer } from 'node:http';

const [requests = '0', coldMs = '0'] = process.argv.slice(2);

/** Time of a request once it is warm, in milliseconds. */
const WARM_MS = 5;

let cold = Number(requests);
let last: Promise<unknown> = Promise.resolve();

const server = createServer(async (request, response) => {
  request.resume();
  const work = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));
  if (cold-- > 0) {
    last = last.then(() => work(Number(coldMs)));
    await last;
  } else await work(WARM_MS);
  response.end('ok');
});
server.listen(0, '127.0.0.1');
process.on('disconnect', () => process.exit());
