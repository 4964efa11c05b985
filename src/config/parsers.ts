/** Reads the text of one variable; throws an `Error` that names the rule when the text breaks it. */
export interface Parser<T> {
  (text: string): T;
  /** The rule in words, for messages and for the reference. */
  readonly rule: string;
}

/** A parser of trimmed text; `read` returns undefined for a value that breaks the rule. */
function parser<T>(rule: string, read: (value: string) => T | undefined): Parser<T> {
  const parse = (text: string): T => {
    const value = read(text.trim());
    if (value === undefined) throw new Error(`must be ${rule}`);
    return value;
  };
  return Object.assign(parse, { rule });
}

/** `true` or `false`, in any case; also 1 and 0. */
export const flag: Parser<boolean> = parser('true or false', (value) => {
  if (/^(true|1)$/i.test(value)) return true;
  return /^(false|0)$/i.test(value) ? false : undefined;
});

/** A whole number within bounds. */
export function integer(least: number, most: number): Parser<number> {
  return parser(`a whole number from ${least} to ${most}`, (value) => {
    const number = Number(value);
    return /^\d+$/.test(value) && number >= least && number <= most ? number : undefined;
  });
}

/** One of the given words, in any case. */
export function choice<const W extends string>(...words: readonly W[]): Parser<W> {
  return parser(`one of ${words.join(', ')}`, (value) =>
    words.find((word) => word.toLowerCase() === value.toLowerCase()),
  );
}

/** Any text of at most `most` characters without control characters. */
export function line(most: number): Parser<string> {
  return parser(`1 to ${most} characters without control characters`, (value) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    value === '' || value.length > most || /[\u0000-\u001f\u007f]/.test(value) ? undefined : value,
  );
}

/** One or two secrets, each on a line of its own, long enough that guessing is hopeless. */
export const secrets: Parser<readonly string[]> = parser(
  'one or two lines, each of 16 to 1024 characters without control characters',
  (text) => {
    const lines = text
      .split('\n')
      .map((each) => each.trim())
      .filter((each) => each !== '');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    const isGood = lines.every((each) => /^[^\u0000-\u001f\u007f]{16,1024}$/.test(each));
    return isGood && (lines.length === 1 || lines.length === 2) ? lines : undefined;
  },
);

/** A path with its query, or `grpc:` and perhaps the name of a service, as its health service knows it. */
export const probe: Parser<string> = parser(
  'a path that begins with a slash, of at most 2048 visible ASCII characters, or grpc: followed by nothing or by a service of at most 127 characters',
  (value) =>
    (value.length <= 2_048 && /^\/[\x21-\x7e]*$/.test(value)) || /^grpc:[A-Za-z0-9_./-]{0,127}$/.test(value)
      ? value
      : undefined,
);

/** A path without a query. */
export const urlPath: Parser<string> = parser(
  'a path that begins with a slash, of at most 256 visible ASCII characters without a query',
  (value) => (/^\/[\x21-\x22\x24-\x3e\x40-\x7e]{0,255}$/.test(value) ? value : undefined),
);

/** A comma-separated list; blanks around entries and empty entries are dropped. */
export function list<T>(entry: Parser<T>, most: number): Parser<readonly T[]> {
  return parser(`at most ${most} entries, separated by commas, each ${entry.rule}`, (text) => {
    const entries = text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
    return entries.length > most ? undefined : entries.map(entry);
  });
}

/** The name of a service: what stands as the host in `http://service-b/`. */
export const serviceName: Parser<string> = parser(
  '1 to 128 letters, digits, dots, dashes or underscores, beginning and ending with a letter or digit',
  (value) => (/^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/.test(value) ? value : undefined),
);

/** Where this instance can be reached. */
export interface Address {
  readonly host: string;
  readonly port?: number;
}

/** The same, and the address of the gRPC server where others cannot derive it from its port. */
export interface Advertise extends Address {
  readonly grpcPort?: number;
}

/** `host`, `host:port` or `[ipv6]:port`, and after that perhaps `,grpc=host:port` with the same host. */
export const advertise: Parser<Advertise> = parser(
  'host, host:port or [ipv6]:port, perhaps followed by ,grpc= with the same host and the port of gRPC',
  (value) => {
    const [first = '', second, ...more] = value.split(',').map((part) => part.trim());
    const main = addressIn(first);
    if (main === undefined || more.length > 0 || second === undefined) return more.length > 0 ? undefined : main;
    const grpc = second.startsWith('grpc=') ? addressIn(second.slice('grpc='.length)) : undefined;
    const grpcPort = grpc?.host === main.host ? grpc.port : undefined;
    return grpcPort === undefined ? undefined : { ...main, grpcPort };
  },
);

function addressIn(value: string): Address | undefined {
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]{2,45})\]|(?<host>[A-Za-z0-9._-]{1,253}))(?::(?<port>\d{1,5}))?$/.exec(value);
  const host = match?.groups?.['v6'] ?? match?.groups?.['host'];
  const port = match?.groups?.['port'];
  if (match?.groups?.['v6'] !== undefined && !URL.canParse(`http://[${host}]/`)) return undefined;
  if (host === undefined || port === undefined) return host === undefined ? undefined : { host };
  return Number(port) >= 1 && Number(port) <= 65_535 ? { host, port: Number(port) } : undefined;
}

/** A URL with one of the given schemes (written with their colon), of at most 2,048 characters. */
export function url(...schemes: readonly string[]): Parser<URL> {
  return parser(`a URL beginning with ${schemes.join(' or ')}`, (value) => {
    const found = value.length > 2_048 ? null : URL.parse(value);
    return found !== null && schemes.includes(found.protocol) ? found : undefined;
  });
}
