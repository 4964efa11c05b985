import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { freePort } from './built.ts';
import { unpacked } from './unpacked.ts';

/** PostgreSQL refuses to run as root, so it runs as another user in its own user namespace. */
const AS_SOMEBODY = ['--user', '--map-user=1000', '--map-group=1000'] as const;

/** A PostgreSQL with an empty database `postgres`, on a free port. */
export class Postgres {
  readonly url: string;
  readonly #directory = new ScratchFolder();
  readonly #child: Child;

  private constructor(port: number) {
    this.url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    const data = join(this.#directory.path, 'data');
    const init = program('initdb');
    const how = ['-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync', '--locale=C'];
    execFileSync('unshare', [...AS_SOMEBODY, init.command, ...how], { env: { ...process.env, ...init.env } });
    const { command, env } = program('postgres');
    const args = ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', this.#directory.path, '-c', 'fsync=off'];
    this.#child = new Child('unshare', [...AS_SOMEBODY, command, ...args], { env });
  }

  static async start(): Promise<Postgres> {
    const postgres = new Postgres(await freePort());
    await postgres.#child.sees(/ready to accept connections/);
    return postgres;
  }

  async close(): Promise<void> {
    await this.#child.destroy();
    this.#directory.remove();
  }
}

function program(name: string): ReturnType<typeof unpacked> {
  return unpacked('postgres', `usr/lib/postgresql/15/bin/${name}`);
}
