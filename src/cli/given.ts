import { type Parser, url } from '../config/parsers.ts';
import { asError, LosslessError } from '../errors.ts';

/**
 * The value of an option, parsed like a variable; undefined when it was not given.
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

/** Parses the URL of a server on the command line. */
export const httpUrl: Parser<URL> = url('http:', 'https:');
