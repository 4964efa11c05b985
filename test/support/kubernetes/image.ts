import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unpacked } from '../servers/unpacked.ts';

/** This repository: images have the plugin and its dependencies from here. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

/** Where an image has the application, with the plugin as an installed package. */
export const WORKDIR = '/app';

/** The content of an image of a manifest, beside the files of this machine. */
export interface Image {
  readonly entrypoint: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The signal or command that ends it. */
  readonly stopSignal: NodeJS.Signals;
}

const { PATH = '' } = process.env;

const node = (file: string): Image => ({
  entrypoint: ['node', '--disable-warning=ExperimentalWarning', `${ROOT}/test/fixtures/${file}`],
  env: { PATH: `${dirname(process.execPath)}:${PATH}` },
  stopSignal: 'SIGTERM',
});

const IMAGES: Readonly<Record<string, () => Image>> = {
  'registry.example/orders:1': () => node('kubernetes/orders.ts'),
  'registry.example/caller:1': () => node('apps/caller.ts'),
  'nginx:1.28': () => {
    const { command, env } = unpacked('proxies', 'usr/sbin/nginx');
    return {
      entrypoint: [command, '-c', '/etc/nginx/nginx.conf', '-g', 'daemon off; user root root;'],
      env: { PATH, ...env },
      stopSignal: 'SIGQUIT',
    };
  },
};

export function imageOf(name: string): Image {
  const image = IMAGES[name];
  if (image === undefined) throw new Error(`expected one of ${Object.keys(IMAGES).join(', ')}, received ${name}`);
  return image();
}
