import { describe } from 'vitest';
import { testServices } from '../contract/services.ts';
import { serverMissing } from '../support/servers/built.ts';
import { ZooKeeperServer } from '../support/servers/zookeeper.ts';

const missing = serverMissing('zookeeper');
if (missing) console.warn(`services with a real registry are not tested: ${missing}`);

describe.skipIf(missing)('services with zookeeper', () => {
  testServices('zookeeper', 'sessionMs=6000', () => ZooKeeperServer.start());
});
