/**
 * Entry for `NODE_OPTIONS=--import=lossless-lifecycle/register`.
 *
 * It runs inside every Node.js program that sees the option, npm and older versions included, so it loads nothing unless it
 * is switched on, in the main thread, of a version that can run it, and then no more than tells when the program serves or
 * calls. Whatever fails here is one log line; the application starts all the same.
 */
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { isAppTracing, isEnabled, isStrict } from './config/enabled.ts';
import { onFirstUse } from './first-use.ts';
import { RUNNING } from './running.ts';

const built = createRequire(import.meta.url);

/** At once, so that nothing of the application goes on meanwhile. */
function load(): typeof import('./start.ts') {
  return built('./start.js');
}

async function start(): Promise<void> {
  try {
    await load().start();
  } catch (thrown) {
    process.stderr.write(`LOSSLESS_START_FAILED: started without lossless-lifecycle: ${thrown}\n`);
  }
}

if (isMainThread && isEnabled() && !(RUNNING in globalThis)) {
  if (isAppTracing()) (built('./app-tracing.js') as typeof import('./app-tracing.ts')).traceApplication();
  if (isStrict()) await start();
  else onFirstUse(RUNNING, () => void start());
}
