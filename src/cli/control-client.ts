import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { readEnvironment } from '../config/environment.ts';
import { loadOptions } from '../config/options.ts';
import { processEnvironment } from '../config/process-env.ts';
import { LosslessError } from '../errors.ts';
import { whole } from './whole.ts';

/** Options that every command for a running instance has. */
export const CONTROL_USAGE = '[--port 54199] [--host 127.0.0.1] [--json]';

/** The answer of a control server. */
export interface ControlAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Where the instance is, and what the command itself was given. */
export interface ControlArgs {
  readonly host: string;
  readonly port: number;
  readonly json: boolean;
  readonly wait: boolean;
}

/** Reads the options of a command; port and secret default to those of the environment. */
export function controlArgs(args: readonly string[]): ControlArgs {
  const { environment } = readEnvironment(processEnvironment());
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string' },
      host: { type: 'string' },
      json: { type: 'boolean' },
      wait: { type: 'boolean' },
    },
  });
  const port = whole('--port', values.port ?? String(environment.LOSSLESS_CONTROL_PORT), 1, 65_535);
  return { host: values.host ?? '127.0.0.1', port, json: values.json ?? false, wait: values.wait ?? false };
}

/**
 * Calls the control server of a running instance.
 *
 * @throws LosslessError LOSSLESS_CONTROL_PORT when nobody answers there
 */
export async function callControl(
  { host, port }: ControlArgs,
  method: 'GET' | 'POST',
  path: string,
): Promise<ControlAnswer> {
  const secret = loadOptions(processEnvironment()).options?.secret;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const call = request(
      {
        host,
        port,
        method,
        path,
        agent: false,
        headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` },
      },
      resolve,
    );
    call.on('error', (error) =>
      reject(
        new LosslessError(
          'LOSSLESS_CONTROL_PORT',
          `no instance answers at ${host} port ${port} (${error.message}); name its port with --port`,
        ),
      ),
    );
    call.end();
  });
  const body: unknown = JSON.parse(await text(response));
  return { status: response.statusCode ?? 0, body: body as ControlAnswer['body'] };
}
