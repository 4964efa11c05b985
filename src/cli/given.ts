import { type Parser, url } from '../config/parsers.ts';
import { asError, LosslessError } from '../errors.ts';

/**
 * The value of an option, read as a variable is; undefined when it was not given.
 *
 * @throws LosslessError LOSSLESS_USAGE naming the option, the rule and what was received
 */
export function given<T>(option: string, text: string | undefined, parse: Parser<T>): T | undefined {
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (thrown) {
    throw new LosslessError('LOSSLESS_USAGE', `${option} ${asError(thrown).message}, received ${text}`);
  }
}

/** A server that is named on the command line. */
export const httpUrl: Parser<URL> = url('http:', 'https:');
