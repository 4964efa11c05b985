import { configDefaults, defineConfig } from 'vitest/config';
import { leftOut } from './test/support/left-out.ts';

/** What fills the processors or measures how long something takes: one after the other, when all others are done. */
const ALONE = [
  'collector-heavy',
  'control-flood',
  'demo',
  'entry-load',
  'http2-pressure',
  'made-up-consumers',
  'soak',
  'undici-majors',
].map((name) => `test/process/${name}.test.ts`);

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // What failed is in the message, which is all that a summary shows.
    chaiConfig: { truncateThreshold: 500 },
    projects: [
      {
        extends: true,
        // Most tests start processes and wait for them: four at a time keep two processors about two thirds busy.
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...ALONE, ...leftOut()],
          maxWorkers: 4,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
