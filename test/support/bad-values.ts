import type { VariableName } from '../../src/config/variables.ts';

/** A value that breaks the rule of each variable of ours. */
export const BAD: Readonly<Partial<Record<VariableName, string>>> = {
  LOSSLESS_ENABLED: 'maybe',
  LOSSLESS_SERVICE: 'has blanks',
  LOSSLESS_APP_TRACING: 'maybe',
  LOSSLESS_REGISTRY: 'ftp://x',
  LOSSLESS_ADVERTISE: 'host:99999',
  LOSSLESS_CONTROL_PORT: '65536',
  LOSSLESS_CONTROL_HOST: `a\u0007b`,
  LOSSLESS_SECRET: 'x'.repeat(1_025),
  LOSSLESS_SECRET_FILE: '/does/not/exist',
  LOSSLESS_GRACE_PERIOD_MS: '30s',
  LOSSLESS_QUIET_MS: '-1',
  LOSSLESS_HOLD_MS: '1e9',
  LOSSLESS_GOAWAY_TIMEOUT_MS: '0',
  LOSSLESS_GOAWAY_ATTEMPTS: '11',
  LOSSLESS_SERVICES: 'a,b c',
  LOSSLESS_WARMUP_MS: 'NaN',
  LOSSLESS_WARMUP_CURVE: '0.5',
  LOSSLESS_REGISTER_DELAY_MS: '1.5',
  LOSSLESS_PROBE: 'health',
  LOSSLESS_READINESS: 'soon',
  LOSSLESS_SPOOL_DIR: 'a\nb',
  LOSSLESS_LOG_LEVEL: 'loud',
  LOSSLESS_STRICT: 'very',
  LOSSLESS_JAEGER_URL: 'jaeger',
};
