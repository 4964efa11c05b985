/**
 * Entry for `NODE_OPTIONS=--import=lossless-lifecycle/register`.
 *
 * It runs inside every Node.js program that sees the option, npm and older versions included, so it loads nothing unless it
 * is switched on, in the main thread, of a version that can run it, and then no more than tells when the program serves or
 * calls. In a worker thread it only notices a server that listens there, and says so. Whatever fails here is one log line; the application starts all the same.
 */
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { isAppTracing, isEnabled, isStrict } from './config/enabled.ts';
import { onFirstUse, onThreadListens } from './first-use.ts';
import { shareThreads } from './provider/threads.ts';
import { RUNNING } from './running.ts';

const built = createRequire(import.meta.url);

/** At once, so that nothing of the application goes on meanwhile. */
function load(): typeof import('./start.ts') {
  return built('./start.js');
}

/** Whether the program is `lossless`: in a shell with the variables of a service it must not come online as that. */
function isCommand(): boolean {
  try {
    return realpathSync(process.argv[1] ?? '') === fileURLToPath(new URL('cli/main.js', import.meta.url));
  } catch {
    return false;
  }
}

async function start(): Promise<void> {
  try {
    await load().start();
  } catch (thrown) {
    process.stderr.write(`LOSSLESS_START_FAILED: started without lossless-lifecycle: ${thrown}\n`);
  }
}

if (!isMainThread && isEnabled()) {
  onThreadListens(() => (built('./thread.js') as typeof import('./thread.ts')).tellOfThread());
} else if (isMainThread && isEnabled() && !(RUNNING in globalThis) && !isCommand()) {
  shareThreads();
  if (isAppTracing()) (built('./app-tracing.js') as typeof import('./app-tracing.ts')).traceApplication();
  if (isStrict()) await start();
  else onFirstUse(RUNNING, () => void start());
}
