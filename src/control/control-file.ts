import { lstatSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makePrivateDirectory } from '../io/private-directory.ts';
import { namesIn, readSmall, removeFile, writeSmall } from '../io/small-file.ts';
import { objectIn } from '../json.ts';
import { startedAt } from '../process/started-at.ts';

/** Most files that are looked at, and longest one in bytes. */
const MOST = 1_000;
const LIMIT = 2_048;

const NAME = /^\.control-\d{1,5}\.json$/;

/** Which instance has which control port on this machine. */
export interface ControlHolder {
  readonly service: string;
  readonly instanceId: string;
  readonly port: number;
  readonly pid: number;
}

/** What a file holds. A directory may be shared by containers, each of which numbers its processes anew. */
interface Held extends ControlHolder {
  readonly machine: string;
  /** Names the process for good, because ids are used again; 0: not known. */
  readonly startedAt: number;
}

/**
 * Says in a file beside the spool which control port this process has, so that commands find it by its name. Files of
 * processes that have ended go. One for each port, so that few stay behind wherever that cannot be told.
 *
 * @param directory as private as that of the spool; made when it is not there
 */
export async function writeControlFile(directory: string, holder: ControlHolder): Promise<void> {
  makePrivateDirectory(directory);
  for (const { path, held } of filesIn(directory))
    if (held?.machine === machine() && !isAlive(held)) await removeFile(path);
  const held: Held = { ...holder, machine: machine(), startedAt: startedAt(holder.pid) ?? 0 };
  await writeSmall(join(directory, `.control-${holder.port}.json`), JSON.stringify(held));
}

/** The instances of this user that run on this machine; none when the directory is not one of this user. */
export function controlHolders(directory: string): readonly ControlHolder[] {
  return filesIn(directory).flatMap(({ held }) => (held?.machine === machine() && isAlive(held) ? [held] : []));
}

function filesIn(directory: string): readonly { readonly path: string; readonly held: Held | undefined }[] {
  if (!isOwn(directory)) return [];
  return namesIn(directory, MOST)
    .filter((name) => NAME.test(name))
    .map((name) => ({ path: join(directory, name), held: read(join(directory, name)) }));
}

/** What somebody else has put there could name a port of his. */
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

/** This machine, or this container: ids of processes mean something only within it. */
function machine(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
