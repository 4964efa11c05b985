import { controlHolders, writeControlFile } from '../control/control-file.ts';
import type { Control } from '../control/control-server.ts';
import { asError } from '../errors.ts';
import { Backoff } from '../lifecycle/backoff.ts';
import type { Clock } from '../lifecycle/clock.ts';
import type { Log } from '../log.ts';

/**
 * Waits between tries of a taken port: the former process of a rolling update frees it within seconds, another program may keep
 * it.
 */
const WAITS = { initialMs: 1_000, factor: 2, capMs: 5_000 };

export interface ControlPortOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly listen: () => Promise<Control>;
  readonly wanted: number;
  /** Directory in which instances publish their ports. */
  readonly spoolDir: string;
  readonly service: string;
  readonly instanceId: string;
}

/**
 * The control port of this process: opened when it is first needed, tried again while another process has it, and published for
 * commands.
 */
export class ControlPort {
  readonly #options: ControlPortOptions;
  #server: Promise<Control | undefined> | undefined;
  readonly #backoff = new Backoff(WAITS);
  #hasFailed = false;
  #isClosed = false;

  constructor(options: ControlPortOptions) {
    this.#options = options;
  }

  /** Resolves with undefined while it cannot listen. Never rejects. */
  get server(): Promise<Control | undefined> {
    this.#server ??= this.#options.listen().then(
      (control) => this.#opened(control),
      (thrown) => this.#failed(asError(thrown)),
    );
    return this.#server;
  }

  /** Closes the server, and opens no other one. */
  close(): void {
    this.#isClosed = true;
    void this.#server?.then((control) => control?.close());
  }

  #opened(control: Control): Control {
    this.#options.log('info', `control server listens on port ${control.port}`);
    void this.#tell(control.port);
    return control;
  }

  async #failed({ message }: Error): Promise<undefined> {
    const { clock, log } = this.#options;
    const holder = await this.#holder().catch(() => '');
    log(this.#hasFailed ? 'debug' : 'error', `${message}${holder}`, { code: 'LOSSLESS_CONTROL_PORT' });
    this.#hasFailed = true;
    clock.after(this.#backoff.next(), () => {
      if (this.#isClosed) return;
      this.#server = undefined;
      void this.server;
    });
  }

  /** The process that has the wanted port, as far as known, for people. */
  async #holder(): Promise<string> {
    const { spoolDir, wanted } = this.#options;
    const holder = controlHolders(spoolDir).find(({ port }) => port === wanted);
    return holder ? `; ${holder.service} (process ${holder.pid}) has port ${wanted}` : '';
  }

  /** Publishes the port of the control server for commands, and logs it when it is not the wanted one. Never rejects. */
  async #tell(port: number): Promise<void> {
    const { instanceId, log, service, spoolDir, wanted } = this.#options;
    try {
      if (wanted !== 0 && port !== wanted)
        log(
          'info',
          `control port ${wanted} is taken${await this.#holder()}, so this instance has ${port}: \`lossless\` finds it by --service or --instance; for probes and hooks give each instance a LOSSLESS_CONTROL_PORT of its own`,
          { code: 'LOSSLESS_CONTROL_PORT' },
        );
      await writeControlFile(spoolDir, { service, instanceId, port, pid: process.pid });
    } catch (thrown) {
      log('debug', `commands cannot find this instance by name: ${asError(thrown).message}`);
    }
  }
}
