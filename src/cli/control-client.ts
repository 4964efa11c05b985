import { parseArgs } from 'node:util';
import { asError, LosslessError } from '../errors.ts';
import { request } from '../io/request.ts';
import { type Json, objectIn } from '../json.ts';
import { systemClock } from '../lifecycle/clock.ts';
import { STATES } from '../lifecycle/transitions.ts';
import { type Trust, trustOf } from '../plugin/trust.ts';
import { authorize, CHALLENGE_PATH, isAnswer, newChallenge, placeOf } from '../protocol/operator.ts';
import { printable } from '../trace/model/trace.ts';
import { configured } from './configured.ts';
import { aimed, instanceMeant, type Meant } from './meant.ts';
import { whole } from './whole.ts';

/** Options of every command for a running instance. */
export const CONTROL_USAGE = '[--service S] [--instance I] [--port 54199] [--host 127.0.0.1] [--json]';

/** Longest wait for an answer that comes at once, in milliseconds. */
const PATIENCE_MS = 10_000;

/** Longest answer that the command reads, in bytes. */
const ANSWER_LIMIT = 4 * 2 ** 20;

/** Most characters of a foreign answer that a message repeats. */
const SHOWN = 80;

/** Most characters of an instance's refusal that a message repeats: a sentence with an id. */
const LONGEST_REFUSAL = 300;

/** The answer of a control server. */
export interface ControlAnswer {
  readonly status: number;
  readonly body: Json;
}

/** Where the instance is, and the options of the command. */
export interface ControlArgs {
  readonly host: string;
  readonly port: number;
  /** An instance with another name refuses. */
  readonly meant: Meant;
  /** The secret and certificates with which command and instance prove themselves to each other. */
  readonly trust: Trust;
  readonly json: boolean;
  readonly wait: boolean;
  /** Longest wait for the answer, in milliseconds; undefined: as long as it takes. */
  readonly patienceMs: number | undefined;
}

/**
 * Reads the options of a command. Service, secret and TLS default to those of the environment. The port defaults to that of the
 * only instance of the service on this machine, else to that of the environment.
 *
 * @throws LosslessError LOSSLESS_USAGE or LOSSLESS_CONFIG_INVALID
 */
export function controlArgs(args: readonly string[]): ControlArgs {
  const { values } = parseArgs({
    args: [...args],
    options: {
      service: { type: 'string' },
      instance: { type: 'string' },
      port: { type: 'string' },
      host: { type: 'string' },
      json: { type: 'boolean' },
      wait: { type: 'boolean' },
    },
  });
  const options = configured();
  const { controlPort, service, serviceIsSet, spoolDir } = options;
  const named: Meant = {
    ...(serviceIsSet && { service }),
    ...(values.service !== undefined && { service: values.service }),
    ...(values.instance !== undefined && { instance: values.instance }),
  };
  const found = values.port === undefined && values.host === undefined ? instanceMeant(spoolDir, named) : undefined;
  if (values.port === undefined && found === undefined && controlPort === 0)
    throw new LosslessError(
      'LOSSLESS_USAGE',
      'LOSSLESS_CONTROL_PORT is 0, so the instance has chosen a port; name the port that the instance has logged with --port',
    );
  const { host = '127.0.0.1', json = false, wait = false } = values;
  const port = whole('--port', values.port ?? String(found?.port ?? controlPort), 1, 65_535);
  const meant = found === undefined ? named : { service: found.service, instance: found.instanceId };
  const trust = trustOf(options, systemClock, () => {});
  return { host, port, meant, trust, json, wait, patienceMs: wait ? undefined : PATIENCE_MS };
}

/**
 * Calls the control server of a running instance.
 *
 * @throws LosslessError LOSSLESS_CONTROL_PORT when no answer comes in time, the instance refuses, or another program answers
 */
export async function callControl(options: ControlArgs, method: 'GET' | 'POST', path: string): Promise<ControlAnswer> {
  const where = `${options.host} port ${options.port}`;
  const { status, answer } = await authorizedExchange(options, method, aimed(path, options.meant)).catch((thrown) => {
    if (thrown instanceof LosslessError) throw thrown;
    throw new LosslessError(
      'LOSSLESS_CONTROL_PORT',
      `no instance answers at ${where} (${asError(thrown).message}); name its port with --port`,
    );
  });
  const body = objectIn(answer);
  if (body !== undefined && Object.hasOwn(STATES, String(body['state']))) return { status, body };
  if (status === 403 && typeof body?.['message'] === 'string')
    throw new LosslessError(
      'LOSSLESS_CONTROL_PORT',
      `${where} refuses: ${printable(body['message'].slice(0, LONGEST_REFUSAL))}; set the LOSSLESS_SECRET or LOSSLESS_SECRET_FILE of the instance`,
    );
  if (status === 421 && typeof body?.['message'] === 'string')
    throw new LosslessError(
      'LOSSLESS_OTHER_INSTANCE',
      `${where}: ${printable(body['message'].slice(0, LONGEST_REFUSAL))}; name its port with --port`,
    );
  throw new LosslessError(
    'LOSSLESS_CONTROL_PORT',
    `no instance answers at ${where}: expected JSON with its state, received ${status} and ${printable(answer.trim().slice(0, SHOWN)) || 'nothing'}; name its port with --port`,
  );
}

async function authorizedExchange(options: ControlArgs, method: string, path: string) {
  return exchange(options, method, path, options.patienceMs, await authorization(options, method, path));
}

/**
 * Sends nothing secret until the listener has proved for this address that it knows the secret. The authorization is valid for one
 * request.
 *
 * @throws LosslessError LOSSLESS_CONTROL_PORT when the listener cannot prove that
 */
async function authorization(options: ControlArgs, method: string, path: string): Promise<string | undefined> {
  const {
    host,
    port,
    trust: { keys },
  } = options;
  if (keys === undefined) return undefined;
  const challenge = newChallenge();
  const { status, answer, place } = await exchange(
    options,
    'GET',
    `${CHALLENGE_PATH}?nonce=${challenge}`,
    options.patienceMs ?? PATIENCE_MS,
  );
  const proofs = objectIn(answer)?.['proofs'];
  if (Array.isArray(proofs) && isAnswer(keys, challenge, place, proofs.map(String)))
    return authorize(keys, method, path, place, systemClock.wall());
  throw new LosslessError(
    'LOSSLESS_CONTROL_PORT',
    `${host} port ${port} cannot prove that it has this LOSSLESS_SECRET (it answers ${status}), so this command sends no request there: another program listens, or an instance with another secret, without a secret or of version 0.1.0; name the port of an instance with --port`,
  );
}

function exchange(
  { host, port, trust: { tls } }: ControlArgs,
  method: string,
  path: string,
  timeoutMs: number | undefined,
  authorization?: string,
): Promise<{ readonly status: number; readonly answer: string; readonly place: string }> {
  const headers = authorization === undefined ? {} : { authorization };
  const to = { host, port };
  return request(
    { clock: systemClock, to, tls: tls?.connection(host), method, path, headers, timeoutMs },
    async (answer) => ({
      status: answer.status,
      place: placeOf(answer.remoteAddress, port),
      answer: await answer.text(ANSWER_LIMIT),
    }),
  );
}
