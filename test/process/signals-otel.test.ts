import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { LINES } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';

const SERVICE = new URL('../fixtures/signals/traced.ts', import.meta.url);
const REGISTER = createRequire(new URL('../support/otel/package.json', import.meta.url)).resolve(
  '@opentelemetry/auto-instrumentations-node/register',
);

describe.each(LINES)('R25: telemetry shut down at SIGTERM, on Node.js %s', (line) => {
  const children = useChildren();

  test.each([
    ['before', 'none', { code: null, signal: 'SIGTERM' }],
    ['after', 'none', { code: null, signal: 'SIGTERM' }],
    ['before', 'exits', { code: 6, signal: null }],
    ['after', 'exits', { code: 6, signal: null }],
  ] as const)(
    'register of OpenTelemetry %s us, own handler %s: its SDK outlives the last request',
    async (when, handler, ending) => {
      const env = {
        OTEL_TRACES_EXPORTER: 'console',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
        OTEL_NODE_RESOURCE_DETECTORS: 'none',
      };
      const preload = when === 'before' ? { NODE_OPTIONS: `--import=${REGISTER}` } : {};
      const child = children.node(SERVICE, { line, args: [when, handler], env: { ...env, ...preload } });
      await child.sees(/^ready$/m);
      child.signal('SIGTERM');
      const since = performance.now();
      expect(await child.ends()).toEqual(ending);
      expect(performance.now() - since).toBeLessThan(10_000);
      expect(child.stdout).toContain('offline ended true');
      expect(child.stdout).toContain("name: 'last-request'");
    },
  );
});
