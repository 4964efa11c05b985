import lossless = require('lossless-lifecycle');
import registry = require('lossless-lifecycle/registry');

import 'lossless-lifecycle/register';

const pool: () => void = lossless.onOffline('pool', async ({ drained }) => drained);
const task: Promise<number> = lossless.waitUntil(Promise.resolve(7));
// @ts-expect-error there is no such export
lossless.onOnline;
const cases: readonly registry.Case[] = registry.contract({
  open: () => registry.openRegistry('memory:types'),
  heartbeatMs: 1,
});
module.exports = { pool, task, cases };
