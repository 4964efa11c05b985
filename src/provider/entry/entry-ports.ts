import { type Clock, sleep } from '../../lifecycle/clock.ts';
import { eachRow } from '../traffic/kernel.ts';

/** Interval of checks, in milliseconds. For each one the kernel writes a table of every socket of the machine or pod. */
const EVERY_MS = 250;

/** State of an established connection, as `/proc/net/tcp` writes it (Linux, include/net/tcp_states.h). */
const ESTABLISHED = '01';

/** The open connections between a proxy beside the application and its clients. Checked until aborted. */
export class EntryPorts {
  readonly #clock: Clock;
  readonly #ports: ReadonlySet<number>;
  #connections: number | undefined;

  constructor(clock: Clock, ports: readonly number[], signal: AbortSignal) {
    this.#clock = clock;
    this.#ports = new Set(ports);
    void this.#run(signal);
  }

  /** Their number at the last check; undefined before the first one. */
  get connections(): number | undefined {
    return this.#connections;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#look();
      await sleep(this.#clock, EVERY_MS, signal);
    }
  }

  async #look(): Promise<void> {
    this.#connections = await establishedAt(this.#ports);
  }
}

/** Established connections of these local ports; 0 where `/proc/net/tcp` does not exist. */
export async function establishedAt(ports: ReadonlySet<number>): Promise<number> {
  let established = 0;
  await eachRow(ports, '/proc/net', (rows, state) => {
    if (rows.toString('latin1', state, state + 2) === ESTABLISHED) established++;
  });
  return established;
}
