import { loadOptions } from '../config/options.ts';
import { processEnvironment } from '../config/process-env.ts';
import { asError, type ErrorCode } from '../errors.ts';
import { createLog } from '../log.ts';
import { Plugin } from './plugin.ts';
import { RUNNING, type Running } from './running.ts';

/**
 * Starts the plugin from the environment; its hooks are installed when this returns. Resolves when its registry is open. Never
 * throws or rejects: each bad value or failed start is one log line, and the application runs without the plugin, unless
 * LOSSLESS_STRICT ends the process.
 */
export async function start(): Promise<void> {
  if (RUNNING in globalThis) return;
  const { options, problems, strict } = loadOptions(processEnvironment());
  const log = createLog(options?.logLevel ?? 'info', options?.service ?? 'unknown');
  const fatal = problems.filter((problem) => problem.fatal).map(({ message }) => message);
  if (strict && fatal.length > 0) end('LOSSLESS_CONFIG_INVALID', fatal.join('; '));
  for (const problem of problems)
    log(problem.fatal ? 'error' : 'warn', problem.message, { code: 'LOSSLESS_CONFIG_INVALID' });
  if (!options?.enabled) return;
  try {
    const plugin = new Plugin(options, log);
    Object.defineProperty(globalThis, RUNNING, { value: plugin satisfies Running, configurable: true });
    await plugin.start();
  } catch (thrown) {
    Reflect.deleteProperty(globalThis, RUNNING);
    const message = `started without lossless-lifecycle: ${asError(thrown).message}`;
    if (strict) end('LOSSLESS_START_FAILED', message);
    log('error', message, { code: 'LOSSLESS_START_FAILED' });
  }
}

/** Exit code of a program whose configuration is wrong (`EX_CONFIG` of sysexits.h). */
const EX_CONFIG = 78;

/** LOSSLESS_STRICT prefers no start to one without the plugin. Writes synchronously, because the application must not begin. */
function end(code: ErrorCode, message: string): never {
  process.stderr.write(`${code}: ${message}\n`);
  process.exit(EX_CONFIG);
}
