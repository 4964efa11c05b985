/** An object of JSON whose fields are not known yet. */
export type Json = Readonly<Record<string, unknown>>;

/** Whether a value of JSON is an object, which a list and null are not. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of a JSON text, whose length the caller has bounded; undefined when the text is not JSON. */
export function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The same for an object; undefined when the text holds none. */
export function objectIn(text: string): Json | undefined {
  const value = valueIn(text);
  return isObject(value) ? value : undefined;
}

/**
 * Reads JSON from another program. Unlike the engine's own message, the error never repeats the text, which may hold a secret.
 *
 * @param what it is, for the message: `the answer`
 * @throws Error
 */
export function parseJson(text: string, what: string): unknown {
  const value = valueIn(text);
  if (value === undefined) throw new Error(`${what} is not JSON`);
  return value;
}

/** The same for an object. @throws Error */
export function parseObject(text: string, what: string): Json {
  return objectOf(parseJson(text, what), what);
}

/** A part of JSON that must be an object. @throws Error */
export function objectOf(value: unknown, what: string): Json {
  if (!isObject(value)) throw new Error(`${what} is not a JSON object`);
  return value;
}

/** The texts of a JSON list, the form in which Jaeger shows a list attribute; empty for any other value. */
export function textsIn(json: unknown): readonly string[] {
  const list = valueIn(String(json));
  return Array.isArray(list) ? list.filter((each) => typeof each === 'string') : [];
}
