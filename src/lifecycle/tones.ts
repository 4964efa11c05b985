/** How good a result is: good, almost good, bad, or neither. Page and dashboards take their colours from it. */
export type ResultTone = 'ok' | 'warn' | 'bad' | 'plain';

const TONES: Readonly<Record<string, ResultTone>> = {
  success: 'ok',
  incomplete: 'warn',
  timeout: 'bad',
  last_instance: 'bad',
  killed: 'bad',
  error: 'bad',
  acked: 'ok',
  refused: 'bad',
  rejected: 'bad',
  unreachable: 'bad',
  skipped: 'warn',
  confirmed: 'ok',
  unconfirmed: 'warn',
  failed: 'bad',
  drained: 'ok',
  refreshed: 'ok',
  stale: 'warn',
  done: 'ok',
  lossless: 'ok',
  lossy: 'bad',
};

/** The tone of a result of any work; a result outside the table is neither good nor bad. */
export function toneOfResult(result: string): ResultTone {
  return TONES[result] ?? 'plain';
}
