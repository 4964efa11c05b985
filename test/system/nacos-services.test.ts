import { describe } from 'vitest';
import { testServices } from '../contract/services.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Nacos } from '../support/servers/nacos.ts';

const missing = serverMissing('nacos-3.1');
if (missing) console.warn(`services with a real registry are not tested: ${missing}`);

describe.skipIf(missing)('services with nacos', () => {
  testServices('nacos', 'ttlMs=6000', () => Nacos.start('3.1', { fast: true }));
});
