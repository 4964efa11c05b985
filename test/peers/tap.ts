/** The result of a suite. */
export interface Outcome {
  readonly passed: number;
  /** Titles; one that failed in several places stands here several times. */
  readonly failed: readonly string[];
}

const RESULT = /^(\s*)(not )?ok \d+(?: -)? ?(.*)$/;
const UNCOUNTED = /\s#\s*(?:skip|todo)\b/i;

/**
 * Counts the tests of a TAP report, without those that were skipped. What stands around others (a suite, a file) is none:
 * the results of its parts come before it and are indented more.
 */
export function outcomeOf(report: string): Outcome {
  let passed = 0;
  let before = -1;
  const failed: string[] = [];
  for (const line of report.split('\n')) {
    const [, indent, not, title = ''] = RESULT.exec(line) ?? [];
    if (indent === undefined) continue;
    const isSuite = before > indent.length;
    before = indent.length;
    if (isSuite || UNCOUNTED.test(title)) continue;
    if (not === undefined) passed++;
    // How long it took is part of no title.
    else failed.push(title.replace(/ # time=.*$/, ''));
  }
  return { passed, failed };
}

/** Titles that failed with the plugin more often than without. */
export function onlyWith(without: Outcome, withPlugin: Outcome): readonly string[] {
  const known = [...without.failed];
  return withPlugin.failed.filter((title) => {
    const place = known.indexOf(title);
    if (place >= 0) known.splice(place, 1);
    return place < 0;
  });
}
