import { loadOptions } from './config/options.ts';
import { processEnvironment } from './config/process-env.ts';
import { asError, type ErrorCode } from './errors.ts';
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
  const fatal = problems.filter((problem) => problem.fatal).map(({ message }) => message);
  if (strict && fatal.length > 0) end('LOSSLESS_CONFIG_INVALID', fatal.join('; '));
  for (const problem of problems)
    log(problem.fatal ? 'error' : 'warn', problem.message, { code: 'LOSSLESS_CONFIG_INVALID' });
  if (!options?.enabled) return;
  try {
    Object.defineProperty(globalThis, RUNNING, { value: await Plugin.start(options), configurable: true });
  } catch (thrown) {
    const message = `started without lossless-lifecycle: ${asError(thrown).message}`;
    if (strict) end('LOSSLESS_START_FAILED', message);
    log('error', message, { code: 'LOSSLESS_START_FAILED' });
  }
}

/** Exit code of a program whose configuration is wrong (`EX_CONFIG` of sysexits.h). */
const EX_CONFIG = 78;

/** Under LOSSLESS_STRICT no start is better than one without the plugin. Written at once: the application must not begin. */
function end(code: ErrorCode, message: string): never {
  process.stderr.write(`${code}: ${message}\n`);
  process.exit(EX_CONFIG);
}
