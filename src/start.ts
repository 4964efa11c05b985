import { loadOptions } from './config/options.ts';
import { processEnvironment } from './config/process-env.ts';
import { asError } from './errors.ts';
import { createLog } from './log.ts';
import { Plugin } from './plugin.ts';

/** Where the running plugin of this process is found, by every copy of this package. */
const RUNNING = Symbol.for('lossless-lifecycle.plugin');

/** The plugin of this process, if it runs. */
export function running(): Plugin | undefined {
  return (globalThis as { [RUNNING]?: Plugin })[RUNNING];
}

/**
 * Starts the plugin from the environment. Never throws: a bad value or a failed start is one log line each and the
 * application runs without the plugin, unless LOSSLESS_STRICT ends the process.
 */
export async function start(): Promise<void> {
  if (running() !== undefined) return;
  const { options, problems, strict } = loadOptions(processEnvironment());
  const log = createLog(options?.logLevel ?? 'info', options?.service ?? 'unknown');
  for (const { message, fatal } of problems)
    log(fatal ? 'error' : 'warn', message, { code: 'LOSSLESS_CONFIG_INVALID' });
  if (options === undefined) return give(strict);
  if (!options.enabled) return;
  try {
    Object.defineProperty(globalThis, RUNNING, { value: await Plugin.start(options), configurable: true });
  } catch (thrown) {
    log('error', `started without lossless-lifecycle: ${asError(thrown).message}`, { code: 'LOSSLESS_START_FAILED' });
    give(strict);
  }
}

/** Under LOSSLESS_STRICT no start is better than one without the plugin. The log is written before the process ends. */
function give(strict: boolean): void {
  if (strict) process.exitCode = 78;
  if (strict) setImmediate(() => process.exit(78));
}
