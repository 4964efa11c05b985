/**
 * Entry for `NODE_OPTIONS=--import=lossless-lifecycle/register`.
 *
 * It runs inside every Node.js program that sees the option, npm and older versions included, so it loads nothing unless it
 * is switched on, in the main thread, of a version that can run it. Whatever fails here is one log line; the application
 * starts all the same.
 */
import { isMainThread } from 'node:worker_threads';
import { isEnabled } from './config/enabled.ts';

if (isMainThread && isEnabled()) {
  try {
    const { start } = await import('./start.ts');
    await start();
  } catch (thrown) {
    process.stderr.write(`LOSSLESS_START_FAILED: started without lossless-lifecycle: ${thrown}\n`);
  }
}
