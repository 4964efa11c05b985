import { expect, test } from 'vitest';
import { junitOf } from '../../../src/cli/junit.ts';
import { assess } from '../../../src/trace/model/verdict.ts';

test('a report of JUnit says what failed, and takes no markup from a trace', () => {
  const nobody = { ...assess({ traceId: 'a', spans: [] }), instanceId: '<b>"&', durationMs: 1_500 };
  const report = junitOf({
    service: 'shop',
    verdict: 'unknown',
    reason: 'too few',
    shutdowns: [
      { ...nobody, result: 'success', whole: true, problems: [] },
      { ...nobody, result: 'timeout', problems: ['one', '<two>'] },
      { ...nobody, result: 'never_ready', problems: [] },
    ],
  });
  expect(report).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="shop" tests="4" failures="1" errors="1" skipped="1">
  <testcase classname="shop" name="shutdown of &lt;b&gt;&quot;&amp;" time="1.500">
  </testcase>
  <testcase classname="shop" name="shutdown of &lt;b&gt;&quot;&amp;" time="1.500">
    <failure message="one; &lt;two&gt;"/>
  </testcase>
  <testcase classname="shop" name="shutdown of &lt;b&gt;&quot;&amp;" time="1.500">
    <skipped message="the instance was never ready and served no request"/>
  </testcase>
  <testcase classname="shop" name="release gate" time="0.000">
    <error message="too few"/>
  </testcase>
</testsuite>
`);
});
