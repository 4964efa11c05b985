import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child, type Ending } from '../process/child.ts';
import { isRunning } from '../process/is-running.ts';
import { serverProgram } from '../servers/built.ts';
import { type Image, ROOT, WORKDIR } from './image.ts';
import { inside } from './network.ts';
import type { Hook } from './objects.ts';
import { type RunningHook, type Terminable, terminate } from './terminate.ts';

/** A file or folder of this machine that a container sees at another path. */
export interface Mount {
  readonly source: string;
  readonly path: string;
}

export interface ContainerOptions {
  readonly image: Image;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** Name of its network namespace, and its host name. */
  readonly pod: string;
  /** Its own empty directory for writes, on a file system in memory. */
  readonly folder: string;
}

/**
 * Its root is a copy of this machine's, written to its folder, with a `/tmp` of its own and the application's folder. Arguments:
 * the folder, the host name, this repository, where it is served from, the servers of the tests, mounts as `source:path`, `--`
 * and the command.
 */
const BEGIN = `
set -e
cd "$1"; hostname "$2"; repository=$3; app=$4; servers=$5; shift 5
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/upper,workdir=$PWD/work" root
mount -t proc proc root/proc
mount --rbind /dev root/dev
mount -t tmpfs tmpfs root/tmp
for each in "$repository" "$servers"; do mkdir -p "root$each"; mount --bind "$each" "root$each"; done
mkdir -p "root$app/node_modules/.bin" root/var/log/nginx root/var/lib/nginx
ln -s "$repository" "root$app/node_modules/lossless-lifecycle"
ln -s ../lossless-lifecycle/dist/src/cli/main.js "root$app/node_modules/.bin/lossless"
mkdir root/.old
cd root
pivot_root . .old
while [ "$1" != -- ]; do
  source=/.old\${1%%:*}; path=\${1#*:}; shift
  if [ -d "$source" ]; then mkdir -p "$path"; else mkdir -p "$(dirname "$path")"; touch "$path"; fi
  mount --bind "$source" "$path"
done
shift
umount -l /.old
cd "$app"
exec "$@"
`;

/** A process as a container runtime starts it: process 1 of namespaces of its own, in the network of its pod. */
export class Container implements Terminable {
  readonly #child: Child;
  readonly #image: Image;
  readonly #env: Readonly<Record<string, string>>;

  constructor({ image, args, env, mounts, pod, folder }: ContainerOptions) {
    mkdirSync(folder, { recursive: true });
    const bound = mounts.map(({ source, path }) => `${source}:${path}`);
    const begin = ['sh', '-c', BEGIN, 'sh', folder, pod, ROOT, WORKDIR, dirname(serverProgram('kubernetes'))];
    const [program = '', ...unshare] = [...inside(pod), 'unshare', '-mpuf', '--kill-child', ...begin, ...bound, '--'];
    this.#image = image;
    this.#env = { ...image.env, ...env };
    this.#child = new Child(program, [...unshare, ...image.entrypoint, ...args], { env: this.#env });
  }

  /** Its output, and the end of it. */
  get process(): Child {
    return this.#child;
  }

  get ended(): Promise<Ending> {
    return this.#child.ended;
  }

  /** Asks it to end, and ends it when its time is over. */
  async terminate(graceMs: number, preStop: Hook | undefined): Promise<void> {
    if (isRunning(this.#child.pid))
      await terminate(this, graceMs, preStop && this.#begin(preStop), this.#image.stopSignal);
  }

  /** @throws Error when it has ended */
  signal(name: NodeJS.Signals): void {
    process.kill(this.#init(), name);
  }

  destroy(): Promise<void> {
    return this.#child.destroy();
  }

  #begin({ exec, sleep: pause }: Hook): RunningHook {
    if (exec === undefined) return { ended: sleep((pause?.seconds ?? 0) * 1_000), destroy: async () => {} };
    const enter = ['-t', `${this.#init()}`, '-m', '-n', '-p', '-u', 'sh', '-c', `cd ${WORKDIR} && exec "$@"`, 'sh'];
    return new Child('nsenter', [...enter, ...exec.command], { env: this.#env });
  }

  /** The id here of its process 1. @throws Error when it has ended */
  #init(): number {
    const { pid } = this.#child;
    const [init] = readFileSync(join('/proc', `${pid}`, 'task', `${pid}`, 'children'), 'utf8')
      .trim()
      .split(' ');
    if (!init) throw new Error('the container has ended');
    return Number(init);
  }
}
