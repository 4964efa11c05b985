/** Pairs in the form of OpenTelemetry, and the number of bad ones. */
export interface Pairs {
  readonly values: Readonly<Record<string, string>>;
  readonly bad: number;
}

/** Whether a pair fits its purpose. */
export type Rule = (key: string, value: string) => boolean;

/** Any text is an attribute of a resource. */
export const isAttribute: Rule = () => true;

/** A label that every registry can hold: a short name and one line of text. */
export const isLabel: Rule = (key, value) =>
  /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/.test(key) && /^\P{Cc}{0,256}$/u.test(value);

/** A header that Node.js accepts; any other one would make every export fail (RFC 9110, sections 5.1 and 5.5). */
export const isHeader: Rule = (key, value) =>
  /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(key) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);

/**
 * Reads `key=value` pairs between commas, with percent-encoded values (OpenTelemetry specification, resource SDK and OTLP
 * exporter). A bad pair is left out and counted.
 */
export function readPairs(text: string, rule: Rule): Pairs {
  const values: Record<string, string> = {};
  let bad = 0;
  for (const pair of text.split(',').filter((part) => part.trim() !== '')) {
    const at = pair.indexOf('=');
    const key = pair.slice(0, Math.max(at, 0)).trim();
    const value = decoded(pair.slice(at + 1).trim());
    if (key !== '' && value !== undefined && rule(key, value)) values[key] = value;
    else bad++;
  }
  return { values, bad };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
