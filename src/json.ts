/** An object of JSON whose fields are not known yet. */
export type Json = Readonly<Record<string, unknown>>;

/** Whether a value of JSON is an object, which a list and null are not. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of a JSON text, whose length its reader has bounded; undefined, which no JSON is, when it is none. */
export function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The same of an object; undefined when it is none. */
export function objectIn(text: string): Json | undefined {
  const value = valueIn(text);
  return isObject(value) ? value : undefined;
}

/**
 * Reads JSON that something else has written. The message never repeats the text, as the engine's own does: it may be anything.
 *
 * @param what it is, for the message: `the answer`
 * @throws Error
 */
export function parseJson(text: string, what: string): unknown {
  const value = valueIn(text);
  if (value === undefined) throw new Error(`${what} is not JSON`);
  return value;
}

/** The same of an object. @throws Error */
export function parseObject(text: string, what: string): Json {
  return objectOf(parseJson(text, what), what);
}

/** A part of JSON that must be an object. @throws Error */
export function objectOf(value: unknown, what: string): Json {
  if (!isObject(value)) throw new Error(`${what} is not a JSON object`);
  return value;
}

/** The texts of a list in JSON, as Jaeger shows one of an attribute; empty for anything else. */
export function textsIn(json: unknown): readonly string[] {
  const list = valueIn(String(json));
  return Array.isArray(list) ? list.filter((each) => typeof each === 'string') : [];
}
