import { LosslessError } from '../errors.ts';

/**
 * The value of an option that is a whole number.
 *
 * @throws LosslessError LOSSLESS_USAGE naming the option, the bounds and what was received
 */
export function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most)
    throw new LosslessError(
      'LOSSLESS_USAGE',
      `${name} must be a whole number from ${least} to ${most}, received ${text}`,
    );
  return value;
}
