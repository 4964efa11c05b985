import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { freePort } from './built.ts';
import { unpacked } from './unpacked.ts';

/** A Redis in memory, on a free port. */
export class Redis {
  readonly port: number;
  readonly #directory = new ScratchFolder();
  readonly #child: Child;

  private constructor(port: number) {
    const { command, env } = unpacked('redis', 'usr/bin/redis-server');
    this.port = port;
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', this.#directory.path];
    this.#child = new Child(command, args, { env });
  }

  static async start(): Promise<Redis> {
    const redis = new Redis(await freePort());
    await redis.#child.sees(/Ready to accept connections/);
    return redis;
  }

  async close(): Promise<void> {
    await this.#child.destroy();
    this.#directory.remove();
  }
}
