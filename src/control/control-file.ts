import { lstatSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makePrivateDirectory } from '../io/private-directory.ts';
import { namesIn, readSmall, removeFile, writeSmall } from '../io/small-file.ts';
import { objectIn } from '../json.ts';
import { startedAt } from '../process/started-at.ts';

/** Most files that are read, and the longest one, in bytes. */
const MOST = 1_000;
const LIMIT = 2_048;

const NAME = /^\.control-\d{1,5}\.json$/;

/** An instance on this machine and its control port. */
export interface ControlHolder {
  readonly service: string;
  readonly instanceId: string;
  readonly port: number;
  readonly pid: number;
}

/** Content of a file. Containers, each with process ids of its own, may share a directory. */
interface Held extends ControlHolder {
  readonly machine: string;
  /** Start time of the process, which with the id identifies it although ids are used again; 0: unknown. */
  readonly startedAt: number;
}

/**
 * Writes the control port of this process into a file beside the spool, so that commands find the instance by its name. It
 * removes files of processes that have exited. There is one file for each port, so that few are left where an exit cannot be
 * proved.
 *
 * @param directory as private as that of the spool; created when missing
 */
export async function writeControlFile(directory: string, holder: ControlHolder): Promise<void> {
  makePrivateDirectory(directory);
  for (const { path, held } of filesIn(directory))
    if (held?.machine === machine() && !isAlive(held)) await removeFile(path);
  const held: Held = { ...holder, machine: machine(), startedAt: startedAt(holder.pid) ?? 0 };
  await writeSmall(join(directory, `.control-${holder.port}.json`), JSON.stringify(held));
}

/** The running instances of this user on this machine; none when the directory belongs to another user. */
export function controlHolders(directory: string): readonly ControlHolder[] {
  return filesIn(directory).flatMap(({ held }) => (held?.machine === machine() && isAlive(held) ? [held] : []));
}

function filesIn(directory: string): readonly { readonly path: string; readonly held: Held | undefined }[] {
  if (!isOwn(directory)) return [];
  return namesIn(directory, MOST)
    .filter((name) => NAME.test(name))
    .map((name) => ({ path: join(directory, name), held: read(join(directory, name)) }));
}

/** A file from another user could name a port of that user. */
function isOwn(directory: string): boolean {
  const found = lstatSync(directory, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === (process.geteuid?.() ?? found.uid);
}

function read(path: string): Held | undefined {
  try {
    const held = objectIn(readSmall(path, LIMIT) ?? '') as Held | undefined;
    const texts = [held?.service, held?.instanceId, held?.machine];
    const numbers = [held?.port, held?.pid, held?.startedAt];
    const isOne = texts.every((text) => typeof text === 'string') && numbers.every(Number.isSafeInteger);
    return isOne ? held : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(held: Held): boolean {
  const started = startedAt(held.pid);
  return started !== undefined && (started === held.startedAt || started === 0 || held.startedAt === 0);
}

/** Identity of this machine or container, within which ids of processes are valid. */
function machine(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
