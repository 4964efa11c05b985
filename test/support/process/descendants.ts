import { readdirSync, readFileSync } from 'node:fs';

/** All processes below a process, by `/proc`. */
export function descendants(pid: number): readonly number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        return [{ pid: Number(name), parent: Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]) }];
      } catch {
        return [];
      }
    });
  return parents.filter(({ parent }) => parent === pid).map((child) => child.pid);
}
