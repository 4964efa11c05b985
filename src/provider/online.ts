import { asError } from '../errors.ts';
import type { Clock } from '../lifecycle/clock.ts';
import { sleep } from '../lifecycle/clock.ts';
import type { Machine } from '../lifecycle/machine.ts';
import type { Log } from '../log.ts';
import type { Instance } from '../registry/registry.ts';
import type { Advertised } from './advertise.ts';
import type { Registration } from './registration.ts';

/** Time between two tries of the probe, in milliseconds. */
const PROBE_EVERY_MS = 1_000;

/** Longest answer time of one probe, in milliseconds. */
const PROBE_TIMEOUT_MS = 2_000;

/** First and longest wait between two tries to register, in milliseconds. */
const RETRY_MS = { first: 200, most: 10_000 };

/** A registry that has not answered for so long, in milliseconds, is told of. */
const REGISTRY_LATE_MS = 10_000;

export interface OnlineContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly machine: Machine;
  readonly registration: Registration;
  readonly settings: OnlineSettings;
}

export interface OnlineSettings {
  readonly registerDelayMs: number;
  readonly probe: string | undefined;
  readonly warmupMs: number;
}

/** How an instance comes online: delay, probe, registration read back, warm-up. Ended by `cancel` at any point. */
export class Online {
  readonly #context: OnlineContext;
  #cancelled = false;
  #waitsFor = 'nothing';

  constructor(context: OnlineContext) {
    this.#context = context;
  }

  /** What it waits for, for people. */
  get waitsFor(): string {
    return this.#waitsFor;
  }

  /** Goes no further: an offline has begun. */
  cancel(): void {
    this.#cancelled = true;
  }

  /** From `starting` to `registering`: waits for the start delay and until the application answers its probe. */
  async start(bound: Advertised & { readonly scheme: Instance['scheme'] }): Promise<void> {
    const { clock, machine, settings } = this.#context;
    this.#waitsFor = 'the start delay';
    if (settings.registerDelayMs > 0) await sleep(clock, settings.registerDelayMs);
    if (settings.probe !== undefined) {
      this.#waitsFor = `a 2xx answer of ${settings.probe}`;
      while (!this.#cancelled && !(await this.#probe(bound, settings.probe))) await sleep(clock, PROBE_EVERY_MS);
    }
    if (!this.#cancelled) machine.move('probed');
  }

  /** From `registering` to `serving`. Tries again until the registry confirms. */
  async register(entry: () => Instance): Promise<void> {
    const { clock, machine, settings } = this.#context;
    for (let wait = RETRY_MS.first; !this.#cancelled; wait = Math.min(wait * 2, RETRY_MS.most)) {
      this.#waitsFor = 'the registry to confirm';
      if (await this.#tryRegister(entry())) break;
      await sleep(clock, wait);
    }
    if (this.#cancelled || !machine.move('registered')) return;
    this.#waitsFor = 'the end of the warm-up';
    if (settings.warmupMs > 0) await sleep(clock, settings.warmupMs);
    this.#waitsFor = 'nothing';
    if (!this.#cancelled) machine.move('warmed');
  }

  async #tryRegister(entry: Instance): Promise<boolean> {
    const { clock, log, registration } = this.#context;
    // A second write beside one that hangs would help nobody, so it is told of and waited for.
    const late = clock.after(REGISTRY_LATE_MS, () => {
      this.#waitsFor = 'the registry, which does not answer';
      log('warn', `the registry has not answered for ${REGISTRY_LATE_MS} ms`, {
        code: 'LOSSLESS_REGISTRY_UNAVAILABLE',
      });
    });
    try {
      return await registration.register(entry);
    } catch (thrown) {
      this.#waitsFor = `the registry: ${asError(thrown).message}`;
      log('warn', asError(thrown).message, { code: 'LOSSLESS_REGISTRY_UNAVAILABLE' });
      return false;
    } finally {
      late.cancel();
    }
  }

  /** Certificates are not checked: the probe asks this very process. */
  async #probe(
    { host, port, scheme }: Advertised & { readonly scheme: Instance['scheme'] },
    path: string,
  ): Promise<boolean> {
    const { request } = scheme === 'https' ? await import('node:https') : process.getBuiltinModule('node:http');
    return new Promise((resolve) => {
      const probe = request({
        host,
        port,
        path,
        agent: false,
        rejectUnauthorized: false,
        headers: { 'user-agent': 'kube-probe/lossless' },
      });
      const timer = this.#context.clock.after(PROBE_TIMEOUT_MS, () => probe.destroy());
      probe.on('response', (response) => {
        response.resume();
        resolve(Math.floor((response.statusCode ?? 0) / 100) === 2);
      });
      probe.on('error', () => resolve(false));
      probe.on('close', () => {
        timer.cancel();
        resolve(false);
      });
      probe.end();
    });
  }
}
