import * as fs from 'node:fs';
import { promisify } from 'node:util';

/** What `node:fs` does off the event loop, as promises. The first use of `node:fs/promises` costs a process 1 ms. */
export const lstat = promisify(fs.lstat);
export const mkdir = promisify(fs.mkdir);
export const readdir = promisify(fs.readdir);
export const readlink = promisify(fs.readlink);
export const rename = promisify(fs.rename);
export const rm = promisify(fs.rm);
export const unlink = promisify(fs.unlink);
export const utimes = promisify(fs.utimes);
export const writeFile = promisify(fs.writeFile);
