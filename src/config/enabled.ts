import { unsupportedNode } from './node-version.ts';

/**
 * Whether the plugin is switched on. It loads nothing, because it runs in every Node.js program that sees the same
 * `NODE_OPTIONS`. An older Node.js gets one line. Only a clear yes is a yes; the full check reports a misspelt value.
 */
export function isEnabled(): boolean {
  const value = process.env['LOSSLESS_ENABLED'];
  if (value === undefined || value === '' || /^(false|0)$/i.test(value.trim())) return false;
  const unsupported = unsupportedNode();
  if (unsupported === undefined) return true;
  process.stderr.write(`${unsupported}; running without lossless-lifecycle\n`);
  return false;
}

/** Whether a bad configuration must end the process, before the application begins. */
export function isStrict(): boolean {
  return isYes(process.env['LOSSLESS_STRICT']);
}

/** Whether to trace the application's requests, which begins before the application is loaded. */
export function isAppTracing(): boolean {
  return isYes(process.env['LOSSLESS_APP_TRACING']);
}

function isYes(value = ''): boolean {
  return /^(true|1)$/i.test(value.trim());
}
