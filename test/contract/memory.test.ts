import { systemClock } from '../../src/lifecycle/clock.ts';
import { openRegistry } from '../../src/registry/open.ts';
import { testRegistry } from './registry.ts';

testRegistry('memory', {
  open: () => openRegistry(new URL('memory:contract'), { clock: systemClock, log: () => {} }),
  heartbeatMs: 1,
});
