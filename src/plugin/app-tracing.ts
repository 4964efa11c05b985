import { createRequire } from 'node:module';
import { join } from 'node:path';
import { loadOptions } from '../config/options.ts';
import { processEnvironment } from '../config/process-env.ts';
import { createLog } from '../log.ts';
import { startAppTracing } from '../trace/app-tracing.ts';
import { APP_TRACING } from './running.ts';

/** Starts request traces of the application (LOSSLESS_APP_TRACING), or logs in one line why it cannot. Never throws. */
export function traceApplication(): void {
  const environment = processEnvironment();
  const { options } = loadOptions(environment);
  if (options === undefined) return;
  const log = createLog(options.logLevel, options.service);
  const set = (name: string): boolean => (environment[name] ?? '') !== '';
  try {
    const started = startAppTracing({
      service: set('OTEL_SERVICE_NAME') ? undefined : options.service,
      requires: [createRequire(join(process.cwd(), 'index.js')), createRequire(import.meta.filename)],
      nodeArguments: `${process.execArgv.join(' ')} ${environment['NODE_OPTIONS'] ?? ''}`,
    });
    if ('reason' in started) log(started.level, started.reason, { code: 'LOSSLESS_APP_TRACING' });
    else Object.defineProperty(globalThis, APP_TRACING, { value: started, configurable: true });
  } catch (thrown) {
    log('warn', `request traces could not be started: ${thrown}`, { code: 'LOSSLESS_APP_TRACING' });
  }
}
