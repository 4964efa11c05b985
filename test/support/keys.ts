import { Keys } from '../../src/protocol/keys.ts';

/** The keys of a fleet with these secrets. */
export function keysOf(...secrets: readonly string[]): Keys {
  return new Keys(() => secrets);
}
