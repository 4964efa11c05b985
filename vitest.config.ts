import { join } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import { leftOut } from './test/support/left-out.ts';

/** What fills the processors or measures how long something takes: one after the other, when all others are done. */
const ALONE = [
  'process/collector-heavy',
  'process/control-flood',
  'process/demo',
  'process/entry-load',
  'process/http2-pressure',
  'process/made-up-consumers',
  'process/soak',
  'process/undici-majors',
  'system/entry-demo',
  'system/kubernetes-cluster',
].map((name) => `test/${name}.test.ts`);

const SYSTEM = 'test/system/**/*.test.ts';

/** What runs beside nothing, or not at all. */
const NOT_TOGETHER = [...configDefaults.exclude, ...ALONE, ...leftOut()];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // A child process compiles what an earlier one has compiled only once: TypeScript above all.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/compiled') },
    // What failed is in the message, which is all that a summary shows.
    chaiConfig: { truncateThreshold: 1_500 },
    projects: [
      {
        extends: true,
        // Most tests start processes and wait for them: four at a time keep two processors about two thirds busy.
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [SYSTEM, ...NOT_TOGETHER],
          maxWorkers: 4,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        // Real servers fill two processors while they start.
        test: {
          name: 'system',
          include: [SYSTEM],
          exclude: NOT_TOGETHER,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
