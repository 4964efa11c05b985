/** Reads the text of one variable; throws an `Error` that names the rule when the text breaks it. */
export type Parser<T> = (text: string) => T;

/** `true` or `false`, in any case; also 1 and 0. */
export const flag: Parser<boolean> = (text) => {
  const value = text.trim().toLowerCase();
  if (value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw new Error('must be true or false');
};

/** A whole number within bounds. */
export function integer(least: number, most: number): Parser<number> {
  return (text) => {
    const value = Number(text.trim());
    if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most)
      throw new Error(`must be a whole number from ${least} to ${most}`);
    return value;
  };
}

/** A number within bounds. */
export function decimal(least: number, most: number): Parser<number> {
  return (text) => {
    const value = Number(text.trim());
    if (text.trim() === '' || !Number.isFinite(value) || value < least || value > most)
      throw new Error(`must be a number from ${least} to ${most}`);
    return value;
  };
}

/** One of the given words, in any case. */
export function choice<const W extends string>(...words: readonly W[]): Parser<W> {
  return (text) => {
    const found = words.find((word) => word === text.trim().toLowerCase());
    if (found === undefined) throw new Error(`must be one of ${words.join(', ')}`);
    return found;
  };
}

/** Any text of at most `most` characters without control characters. */
export function line(most: number): Parser<string> {
  return (text) => {
    const value = text.trim();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    if (value === '' || value.length > most || /[\u0000-\u001f\u007f]/.test(value))
      throw new Error(`must be 1 to ${most} characters without control characters`);
    return value;
  };
}

/** A comma-separated list; blanks around entries and empty entries are dropped. */
export function list<T>(entry: Parser<T>, most: number): Parser<readonly T[]> {
  return (text) => {
    const entries = text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    if (entries.length > most) throw new Error(`must have at most ${most} entries`);
    return entries.map(entry);
  };
}

/** The name of a service: what stands as the host in `http://service-b/`. */
export const serviceName: Parser<string> = (text) => {
  const value = text.trim();
  if (!/^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/.test(value))
    throw new Error(
      'must be 1 to 128 letters, digits, dots, dashes or underscores, beginning and ending with a letter or digit',
    );
  return value;
};

/** Where this instance can be reached. */
export interface Address {
  readonly host: string;
  readonly port?: number;
}

/** `host`, `host:port` or `[ipv6]:port`. */
export const address: Parser<Address> = (text) => {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]{2,45})\]|(?<host>[A-Za-z0-9._-]{1,253}))(?::(?<port>\d{1,5}))?$/.exec(
    text.trim(),
  );
  const port = match?.groups?.['port'] === undefined ? undefined : Number(match.groups['port']);
  const host = match?.groups?.['v6'] ?? match?.groups?.['host'];
  if (host === undefined || (port !== undefined && (port < 1 || port > 65535)))
    throw new Error('must be host, host:port or [ipv6]:port');
  return port === undefined ? { host } : { host, port };
};

/** A URL with one of the given schemes (written with their colon), or with any when none is given. */
export function url(...schemes: readonly string[]): Parser<URL> {
  return (text) => {
    const value = URL.parse(text.trim());
    if (value === null || (schemes.length > 0 && !schemes.includes(value.protocol)))
      throw new Error(`must be a URL${schemes.length > 0 ? ` beginning with ${schemes.join(' or ')}` : ''}`);
    return value;
  };
}
