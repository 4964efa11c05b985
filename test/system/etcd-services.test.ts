import { describe } from 'vitest';
import { testServices } from '../contract/services.ts';
import { serverMissing } from '../support/servers/built.ts';
import { Etcd } from '../support/servers/etcd.ts';

const missing = serverMissing('etcd');
if (missing) console.warn(`services with a real registry are not tested: ${missing}`);

describe.skipIf(missing)('services with etcd', () => {
  testServices('etcd', 'ttlMs=6000', () => Etcd.start());
});
