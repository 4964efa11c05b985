import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { listening } from '../listening.ts';
import { Child } from '../process/child.ts';
import { ScratchFolder } from '../scratch-folder.ts';
import { freePort, serverProgram } from './built.ts';
import { ready } from './ready.ts';

const CONFIG = resolve(import.meta.dirname, '../../../collector/alertmanager/alertmanager.yml');

/** The file that Debian's Alertmanager reads from a fixed place. */
const TEMPLATE = '/usr/share/prometheus/alertmanager/default.tmpl';

/** A program of Debian's Alertmanager. */
export function alertmanagerProgram(name: 'prometheus-alertmanager' | 'amtool'): string {
  return join(serverProgram('alertmanager'), 'usr/bin', name);
}

/** An alert of a notification. */
export interface Notified {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** When it arrived, in milliseconds since the epoch. */
  readonly at: number;
}

/** An Alertmanager with the project's configuration on a free port, whose receiver is this process. */
export class Alertmanager {
  readonly url: string;
  readonly #notified: Notified[] = [];
  readonly #receiver: Server;
  readonly #directory = new ScratchFolder();
  #child: Child | undefined;

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.#receiver = createServer((request, response) => {
      request
        .setEncoding('utf8')
        .toArray()
        .then((chunks) => {
          const { alerts } = JSON.parse(chunks.join('')) as { readonly alerts: readonly Omit<Notified, 'at'>[] };
          this.#notified.push(...alerts.map((alert) => ({ ...alert, at: Date.now() })));
          response.end();
        })
        .catch(() => response.writeHead(400).end());
    });
  }

  /** The alerts that reached the receiver, in the order of arrival; an alert comes again with each message of its group. */
  get notified(): readonly Notified[] {
    return this.#notified;
  }

  /** @param route settings that replace those of the configuration; by default messages are sent at once */
  static async start(route: object = { group_wait: '0s', group_interval: '1s' }): Promise<Alertmanager> {
    const alertmanager = new Alertmanager(await freePort());
    try {
      await alertmanager.#start(route);
    } catch (thrown) {
      await alertmanager.close();
      throw thrown;
    }
    return alertmanager;
  }

  async #start(route: object): Promise<void> {
    const port = await listening(this.#receiver);
    const config = parse(readFileSync(CONFIG, 'utf8'));
    Object.assign(config.route, route);
    config.receivers[0].webhook_configs = [{ url: `http://127.0.0.1:${port}/` }];
    const file = join(this.#directory.path, 'alertmanager.yml');
    writeFileSync(file, stringify(config));
    const command = [
      alertmanagerProgram('prometheus-alertmanager'),
      `--config.file=${file}`,
      `--storage.path=${join(this.#directory.path, 'data')}`,
      `--web.listen-address=${new URL(this.url).host}`,
      '--cluster.listen-address=',
    ];
    const [program = '', ...args] = existsSync(TEMPLATE) ? command : withTemplate(command);
    this.#child = new Child(program, args);
    await ready(this.#child, `${this.url}/-/ready`);
  }

  async close(): Promise<void> {
    await this.#child?.destroy();
    await new Promise((resolve) => this.#receiver.close(resolve).closeAllConnections());
    this.#directory.remove();
  }
}

/** Runs the command with files of the package laid over /usr/share, so that it can read the template of a package that is not installed. */
function withTemplate(command: readonly string[]): readonly string[] {
  const mount = `mount -t overlay overlay -o "ro,lowerdir=$0/usr/share:/usr/share" /usr/share && exec "$@"`;
  const namespaces = process.getuid?.() === 0 ? ['--mount'] : ['--mount', '--map-root-user'];
  return ['unshare', ...namespaces, 'sh', '-c', mount, serverProgram('alertmanager'), ...command];
}
