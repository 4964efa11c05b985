/**
 * Reads JSON that something else has written. The engine's own message repeats the text, which may be anything.
 *
 * @param what it is, for the message: `the answer`
 * @throws Error
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${what} is not JSON`);
  }
}

/** The same for a JSON object. @throws Error */
export function parseObject(text: string, what: string): Readonly<Record<string, unknown>> {
  const value = parseJson(text, what);
  if (typeof value !== 'object' || value === null) throw new Error(`${what} is not a JSON object`);
  return value as Record<string, unknown>;
}
