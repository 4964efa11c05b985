import { describe } from 'vitest';
import { testServices } from '../contract/services.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Consul } from '../support/servers/consul.ts';

const missing = serverMissing('consul');
if (missing) console.warn(`services with a real registry are not tested: ${missing}`);

describe.skipIf(missing)('services with consul', () => {
  testServices('consul', 'ttlMs=6000', () => Consul.start());
});
