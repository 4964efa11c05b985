/**
 * Entry for `NODE_OPTIONS=--import=lossless-lifecycle/register`, and as CommonJS for `--require=lossless-lifecycle/register`.
 *
 * It runs inside every Node.js program that sees the option, including npm and older versions. It loads code only when the plugin
 * is switched on, in the main thread of a supported version, and then only the code that notices when the program serves or
 * calls. In a worker thread it notices a server that listens there, and logs it. A failure is one log line; the application
 * starts all the same.
 */
import { realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isAppTracing, isEnabled, isStrict } from './config/enabled.ts';
import { GUARD, onFirstUse, onThreadListens } from './plugin/first-use.ts';
import { RUNNING } from './plugin/running.ts';
import { isMainThread, shareThreads } from './process/threads.ts';

/**
 * Loads the CommonJS build: synchronously, so that the application does not run meanwhile, and also where Node.js cannot
 * `require` ESM.
 */
const built = createRequire(import.meta.filename);

function load(): typeof import('./plugin/start.ts') {
  return built('./start.cjs');
}

/**
 * Whether the program is the command `lossless`: in a shell with the variables of a service it must not come online as that
 * service.
 */
function isCommand(): boolean {
  try {
    return realpathSync(process.argv[1] ?? '') === join(import.meta.dirname, 'cli/main.js');
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

if (!isMainThread() && isEnabled())
  onThreadListens(() => (built('./thread.cjs') as typeof import('./plugin/thread.ts')).tellOfThread());

function begin(): Promise<void> | undefined {
  shareThreads(GUARD);
  if (isAppTracing()) (built('./app-tracing.cjs') as typeof import('./plugin/app-tracing.ts')).traceApplication();
  if (isStrict()) return start();
  onFirstUse(RUNNING, () => void start());
  return undefined;
}

/** Under LOSSLESS_STRICT, resolves when the plugin has started: `--import` makes the application wait for it, `--require` cannot. */
export const started: Promise<void> | undefined =
  isMainThread() && isEnabled() && !(RUNNING in globalThis) && !isCommand() ? begin() : undefined;
