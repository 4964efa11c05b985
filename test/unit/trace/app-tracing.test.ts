import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { startAppTracing } from '../../../src/trace/app-tracing.ts';

const options = {
  service: 'a',
  nodeArguments: '',
  requires: [createRequire('/nowhere/index.js')],
};

test('missing packages give one line that says how to install them', () => {
  expect(startAppTracing(options)).toEqual({
    level: 'warn',
    reason: expect.stringContaining('npm install @opentelemetry/sdk-node'),
  });
});

test('an SDK that is preloaded after this package is left alone', () => {
  const nodeArguments = '--require @opentelemetry/auto-instrumentations-node/register';
  expect(startAppTracing({ ...options, nodeArguments })).toMatchObject({ level: 'info' });
});
