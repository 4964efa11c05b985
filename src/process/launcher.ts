import { basename } from 'node:path';
import type { Options, ProcessManager } from '../config/options.ts';
import { readStart } from '../io/small-file.ts';
import type { Log } from '../log.ts';

/** Time in milliseconds after which PM2 kills when nothing is configured (pm2, constants.js, KILL_TIMEOUT). */
const PM2_KILL_MS = 1_600;

/** Shells that may stay between a launcher and the service; they end at a signal and do not pass it on. */
const SHELLS: ReadonlySet<string> = new Set(['sh', 'dash', 'ash', 'bash', 'busybox', 'ksh', 'zsh']);

/** Package managers that run a script through `sh -c`. */
const PACKAGE_MANAGERS: ReadonlySet<string> = new Set(['npm', 'npm-cli', 'npx', 'pnpm', 'yarn', 'yarnpkg']);

/** Most bytes read of one file in /proc. A command line may be 2 MB long; its first words are enough. */
const MOST_BYTES = 4_096;

/**
 * Time in milliseconds between the signal and SIGKILL, when PM2 started this process; undefined otherwise. PM2 sets `pm_id` in
 * every process it starts and `kill_timeout` when it is configured; any other value than a positive integer is ignored.
 */
export function killTimeout({ pm_id, kill_timeout = '' }: ProcessManager): number | undefined {
  if (pm_id === undefined) return undefined;
  return /^[1-9]\d{0,8}$/.test(kill_timeout) ? Number(kill_timeout) : PM2_KILL_MS;
}

/**
 * How long before the kill of the process manager an offline must be over, in milliseconds: the manager began to count before the
 * signal arrived.
 */
const KILL_MARGIN_MS = 200;

/** Total time of an offline in milliseconds: the grace period, unless a process manager kills earlier. */
export function budgetOf({ gracePeriodMs, processManager }: Options, log: Log): number {
  const kill = killTimeout(processManager);
  if (kill === undefined || kill - KILL_MARGIN_MS >= gracePeriodMs) return gracePeriodMs;
  log('warn', `the process manager kills after ${kill} ms; the grace period ends before`, {
    code: 'LOSSLESS_KILL_TIMEOUT',
  });
  return Math.max(kill - KILL_MARGIN_MS, kill / 2);
}

/**
 * Why signals will not reach this service, and what to do about it; undefined when no such launcher is found, and where there is
 * no /proc. Never throws.
 *
 * `sh -c "node server.js"` runs node as a child where the shell does not replace itself (dash, the `sh` of Debian, does not): the
 * signal ends the shell and leaves the service behind. npm, pnpm, yarn and the shell form of CMD in a Dockerfile start services
 * like that, and `node --run` never passes signals on.
 */
export function signalUnseen(proc = '/proc', ppid: number = process.ppid): string | undefined {
  const parent = readProcess(proc, ppid);
  if (parent === undefined) return undefined;
  const isShell = SHELLS.has(parent.name) && parent.words[1] === '-c';
  const launcher = isShell ? readProcess(proc, parent.ppid) : parent;
  if (launcher?.words[1] === '--run')
    return 'started by node --run, which passes no signal on: SIGTERM will not reach this service. Start it with node itself, `node ...`';
  if (!isShell) return undefined;
  if (ppid === 1)
    return unseen('a shell that is PID 1', 'write `exec node ...` there, or CMD ["node", ...] in a Dockerfile');
  const manager = launcher?.words.slice(0, 2).find((word) => PACKAGE_MANAGERS.has(word));
  return manager && unseen(`${manager} through a shell`, 'write `exec node ...` in the script');
}

function unseen(launcher: string, fix: string): string {
  return `started by ${launcher}, which passes no signal on: SIGTERM will not reach this service. To fix it, ${fix}`;
}

interface Ancestor {
  /** Name of the program. */
  readonly name: string;
  /** Its command line; of each word the part between the last slash and the extension. */
  readonly words: readonly string[];
  readonly ppid: number;
}

function readProcess(proc: string, pid: number): Ancestor | undefined {
  try {
    const words = readStart(`${proc}/${pid}/cmdline`, MOST_BYTES)
      .split(/[\0 ]+/)
      .map((word) => basename(word).replace(/\.[cm]?js$/, ''));
    const stat = readStart(`${proc}/${pid}/stat`, MOST_BYTES);
    // "pid (name) state ppid ...", and the name may hold anything, parentheses too (proc_pid_stat(5)).
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    return { name, words, ppid: Number(stat.slice(stat.lastIndexOf(')') + 1).split(' ')[2]) };
  } catch {
    return undefined;
  }
}
