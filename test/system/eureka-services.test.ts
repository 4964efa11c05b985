import { describe } from 'vitest';
import { testServices } from '../contract/services.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Eureka } from '../support/servers/eureka.ts';

const missing = serverMissing('eureka');
if (missing) console.warn(`services with a real registry are not tested: ${missing}`);

describe.skipIf(missing)('services with eureka', () => {
  testServices('eureka', 'ttlMs=6000&pollMs=500', () => Eureka.start());
});
