import { join } from 'node:path';
import { type Options, parseSecrets, TLS_FILES } from '../config/options.ts';
import { Renewed } from '../config/renewed.ts';
import { asError, LosslessError } from '../errors.ts';
import type { Clock } from '../lifecycle/clock.ts';
import { type Log, Seldom } from '../log.ts';
import { ConsumerReader } from '../protocol/consumer-reader.ts';
import type { Caller } from '../protocol/identity.ts';
import { Keys } from '../protocol/keys.ts';
import { ControlTls, usable } from '../protocol/tls.ts';

/** Keys and certificates of this process, and checks of others. */
export interface Trust {
  /** Undefined without a secret: nothing is signed, and addresses are checked. */
  readonly keys: Keys | undefined;
  /** Undefined without a TLS directory: the control port speaks plain HTTP. */
  readonly tls: ControlTls | undefined;
}

/**
 * Trust from the configuration; its files are read again when they change.
 *
 * @throws LosslessError LOSSLESS_CONFIG_INVALID when a file is invalid
 */
export function trustOf(options: Pick<Options, 'secrets' | 'secretFile' | 'tls'>, clock: Clock, log: Log): Trust {
  return { keys: keysOf(options, clock, log), tls: tlsOf(options, clock, log) };
}

/**
 * Reads consumer headers: the caller, or undefined when the header is not valid. An obstacle to its GoAway is logged at its first
 * call, before this instance leaves.
 */
export function consumerReader({ keys, tls }: Trust, clock: Clock, log: Log): (header: string) => Caller | undefined {
  const seldom = new Seldom(log, clock);
  const reader = new ConsumerReader(keys, clock, (why, { service }) =>
    seldom.say('unproved', 'warn', `a consumer header of ${service} is rejected: ${why}`, {
      code: 'LOSSLESS_CONSUMER_UNPROVED',
    }),
  );
  return (header) => {
    const caller = reader.read(header);
    if (caller === undefined || (caller.tls === true) === (tls !== undefined)) return caller;
    const [level, message] =
      tls === undefined
        ? (['warn', 'speaks TLS, so it gets no GoAway from this instance; set LOSSLESS_TLS_DIR here too'] as const)
        : (['info', 'speaks plain HTTP, so GoAways go to it unencrypted; set LOSSLESS_TLS_DIR there too'] as const);
    seldom.say(message, level, `the control port of ${caller.service} ${message}`, { code: 'LOSSLESS_TLS_MISMATCH' });
    return caller;
  };
}

/** Logs failed handshakes on a control port that speaks TLS. */
export function tlsErrors(clock: Clock, log: Log): (error: Error) => void {
  const seldom = new Seldom(log, clock);
  return (error) => {
    const cause = (error as NodeJS.ErrnoException).code ?? error.message;
    const message =
      cause === 'ERR_SSL_HTTP_REQUEST'
        ? 'a caller speaks plain HTTP to the control port, which speaks TLS: probes need `scheme: HTTPS`'
        : `a TLS connection to the control port failed: ${cause}`;
    // A connection without data, as from a TCP probe, is not an error.
    seldom.say(cause, cause === 'ECONNRESET' ? 'debug' : 'warn', message, { code: 'LOSSLESS_TLS_MISMATCH' });
  };
}

function keysOf({ secrets, secretFile }: Pick<Options, 'secrets' | 'secretFile'>, clock: Clock, log: Log) {
  if (secrets === undefined) return undefined;
  if (secretFile === undefined) return new Keys(() => secrets);
  const read = follow('LOSSLESS_SECRET_FILE', [secretFile], ([text = '']) => parseSecrets(text), clock, log);
  return new Keys(() => read.value);
}

function tlsOf({ tls }: Pick<Options, 'tls'>, clock: Clock, log: Log): ControlTls | undefined {
  if (tls === undefined) return undefined;
  const files = TLS_FILES.map((name) => join(tls.directory, name));
  const make = ([cert = '', key = '', ca = '']: readonly string[]) => usable({ cert, key, ca });
  const read = follow('LOSSLESS_TLS_DIR', files, make, clock, log);
  return new ControlTls(() => read.value, tls.name, tls.clientAuth);
}

function follow<T>(
  name: string,
  files: readonly string[],
  make: (texts: readonly string[]) => T,
  clock: Clock,
  log: Log,
): Renewed<T> {
  const code = 'LOSSLESS_CONFIG_INVALID';
  try {
    return new Renewed({
      files,
      make,
      now: () => clock.now(),
      onTaken: () => log('info', `${name} has changed: the new content is used from now on`),
      onRefused: ({ message }) =>
        log('error', `${name} has changed and cannot be used; the former content stays in use: ${message}`, { code }),
    });
  } catch (thrown) {
    throw new LosslessError(code, `${name} cannot be used: ${asError(thrown).message}`);
  }
}
