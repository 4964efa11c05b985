import { expect, test } from 'vitest';
import { onlyWith, outcomeOf } from '../../peers/tap.ts';

const MOCHA = `1..4
ok 1 app should be callable
not ok 2 app takes 1 argument
  AssertionError: 1 == 2
ok 3 app is skipped # SKIP -
ok 4 app has # in its name
# pass 2`;

const NODE = `TAP version 13
# Subtest: test/a.test.js
    # Subtest: in a
    not ok 1 - in a
      ---
      duration_ms: 3.1
      ...
        ok 1 - deeper
    ok 2 - a suite
    1..2
not ok 1 - test/a.test.js
ok 2 - alone
ok 3 - later # TODO`;

test('tests of a TAP report are counted, without skipped tests and without suites', () => {
  expect(outcomeOf(MOCHA)).toEqual({ passed: 2, failed: ['app takes 1 argument'] });
  expect(outcomeOf(NODE)).toEqual({ passed: 2, failed: ['in a'] });
  expect(outcomeOf('')).toEqual({ passed: 0, failed: [] });
});

test('failures that also occur without the plugin do not count, as often as they occur there', () => {
  const without = { passed: 0, failed: ['a', 'b'] };
  expect(onlyWith(without, { passed: 0, failed: ['b', 'b', 'a', 'c'] })).toEqual(['b', 'c']);
});
