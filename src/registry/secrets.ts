/** Most secrets at a time; the first ones, from the URL, stay. */
const MOST = 100;
const FIRST = 10;

/** A shorter secret, in characters, is masked only as a whole word, because it may be a part of any word. */
const SHORT = 4;

/** A beginning of a secret of at least this many characters is masked too, because answers may truncate what they repeat. */
const LONG = 16;
const BEGINNING = 8;

/** Longest text that is searched, and longest excerpt, in characters. */
const LONGEST = 1_024 * 1_024;
const EXCERPT = 200;

const MASK = '***';

/**
 * Secrets to mask in texts of servers: registries, and proxies before them, repeat requests in their error pages. Foreign text
 * passes through here before it enters a message.
 */
export class Secrets {
  readonly #known = new Map<string, RegExp>();

  /** Adds a secret that is sent. Adding it again costs nothing. */
  add(secret: string): void {
    if (secret === '' || this.#known.has(secret)) return;
    if (this.#known.size >= MOST) this.#known.delete([...this.#known.keys()][FIRST] ?? '');
    this.#known.set(secret, patternOf(secret));
  }

  /** Adds the headers of a call: each value, and its part after the scheme (`Bearer`, `Basic`). */
  addHeaders(headers: Readonly<Record<string, string>>): void {
    for (const value of Object.values(headers)) {
      this.add(value);
      this.add(value.replace(/^\S+\s+/, ''));
    }
  }

  /** The beginning of foreign text on one line, without secrets. */
  excerpt(text: unknown): string {
    const whole = String(text);
    if (whole.length > LONGEST) return `${whole.length} characters`;
    let masked = whole;
    for (const pattern of this.#known.values()) masked = masked.replace(pattern, MASK);
    const line = masked.replace(/\s+/g, ' ').trim();
    return line.length > EXCERPT ? `${line.slice(0, EXCERPT)}...` : line;
  }
}

/** Matches a secret in every encoding in which it may be repeated. */
function patternOf(secret: string): RegExp {
  const base64 = Buffer.from(secret).toString('base64');
  const codings = [
    secret,
    encodeURIComponent(secret.toWellFormed()),
    new URLSearchParams({ '': secret }).toString().slice(1),
    JSON.stringify(secret).slice(1, -1),
    secret.replace(/[&<>"']/g, (letter) => ENTITIES[letter] ?? letter),
    secret.replace(/[&<>]/g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`),
    base64,
    base64.replace(/=+$/, ''),
    base64.replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_'),
  ];
  const patterns = [...new Set(codings)].sort((a, b) => b.length - a.length).map(literal);
  const begun = secret.length >= LONG ? [`${literal(secret.slice(0, BEGINNING))}[^\\s"'<>,;]*`] : [];
  const any = [...patterns, ...begun].join('|');
  return new RegExp(secret.length < SHORT ? `(?<![A-Za-z0-9])(?:${any})(?![A-Za-z0-9])` : any, 'gi');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}
