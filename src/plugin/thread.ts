import { loadOptions } from '../config/options.ts';
import { processEnvironment } from '../config/process-env.ts';
import { createLog } from '../log.ts';

/** Logs that a server listens in a worker thread, and the consequences. Loaded with the first such server. */
export function tellOfThread(): void {
  const { options } = loadOptions(processEnvironment());
  const log = createLog(options?.logLevel ?? 'info', options?.service ?? 'unknown');
  log(
    'warn',
    'an HTTP server listens in a worker thread, which the plugin does not reach: the server is not registered, its callers get no GoAway, and a signal cuts its requests. Let the main thread listen, or use node:cluster instead of threads',
    { code: 'LOSSLESS_THREAD_LISTENS' },
  );
}
