import { unsupportedNode } from './node-version.ts';

/**
 * Whether the plugin is switched on, told without loading anything: this runs in every Node.js program that sees the same
 * `NODE_OPTIONS`. An older Node.js gets one line; anything but a clear yes is a no, except that a misspelt value is left
 * to the full check.
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

/** Whether the application's requests are to be traced, which begins before it is loaded. */
export function isAppTracing(): boolean {
  return isYes(process.env['LOSSLESS_APP_TRACING']);
}

function isYes(value = ''): boolean {
  return /^(true|1)$/i.test(value.trim());
}
