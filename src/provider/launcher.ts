import { readFileSync } from 'node:fs';
import type { ProcessManager } from '../config/options.ts';

/** Time in milliseconds after which PM2 kills when nothing is configured (pm2, lib/constants, KILL_TIMEOUT). */
const PM2_KILL_MS = 1_600;

/** Shells that pass no signal on to what they run. */
const SHELLS = new Set(['sh', 'dash', 'ash', 'busybox']);

/** Time in milliseconds after which PM2 kills a process that it stops; undefined when PM2 did not start this one. */
export function killTimeout({ pm_id, kill_timeout }: ProcessManager): number | undefined {
  if (pm_id === undefined) return undefined;
  const configured = Number(kill_timeout);
  return Number.isFinite(configured) && configured > 0 ? configured : PM2_KILL_MS;
}

/**
 * Why the signal that ends this service can never reach it, when it was started in such a way: by a package manager
 * through a shell that stays between them, or by `node --run`. Undefined when nothing of the kind is seen, or where
 * there is no `/proc`.
 */
export function signalUnseen(): string | undefined {
  const parent = processOf(process.ppid);
  if (parent === undefined) return undefined;
  if (parent.command.includes('--run')) return unseen('node --run');
  if (!SHELLS.has(parent.name)) return undefined;
  const launcher = processOf(parent.parent);
  const found = launcher && /\b(npm|pnpm|yarn)\b/.exec([launcher.name, ...launcher.command].join(' '));
  return found ? unseen(`${found[1]} through a shell`) : undefined;
}

function unseen(launcher: string): string {
  return `started by ${launcher}, which does not pass signals on: SIGTERM will never reach this service. Start it with \`exec node ...\` in the script`;
}

interface RunningProcess {
  readonly name: string;
  readonly command: readonly string[];
  readonly parent: number;
}

function processOf(pid: number): RunningProcess | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').slice(0, 4_096).split('\0');
    const end = stat.lastIndexOf(')');
    return { name: stat.slice(stat.indexOf('(') + 1, end), command, parent: Number(stat.slice(end + 4).split(' ')[0]) };
  } catch {
    return undefined;
  }
}
