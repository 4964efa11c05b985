import { readStart } from '../io/small-file.ts';

/** More than the first 22 fields of `/proc/<pid>/stat` can take, in bytes. */
const STAT_LIMIT = 1_024;

/**
 * When a process started, in clock ticks since boot, from `/proc/<pid>/stat` (Linux, proc(5), field 22). With the id it
 * identifies a process, although ids are used again.
 *
 * @returns undefined when there is no such process, or it is a zombie; 0 where the file cannot be read
 */
export function startedAt(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readStart(`/proc/${pid}/stat`, STAT_LIMIT);
  } catch {
    // Not Linux, or a /proc that hides the processes of other users (hidepid).
    return isRunning(pid) ? 0 : undefined;
  }
  // The name, in parentheses, may hold blanks and parentheses of its own.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
}

/** Whether there is a process of this id, be it a zombie or a later one; ten times cheaper than `startedAt`. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}
