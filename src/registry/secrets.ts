/** Most secrets that are known at a time; those that were added first, which are of the URL, stay. */
const MOST = 100;
const FIRST = 10;

/** A secret that is shorter, in characters, is masked only where it stands alone: it may be a part of any word. */
const SHORT = 4;

/** From this length on also the beginning of a secret, of so many characters and more, is masked: answers cut what they repeat. */
const LONG = 16;
const BEGINNING = 8;

/** Longest text that is looked through, and longest part of it that is told, in characters. */
const LONGEST = 1_024 * 1_024;
const EXCERPT = 200;

const MASK = '***';

/**
 * What must not be told though a server says it: registries, and the proxies before them, repeat what they were asked with in their
 * error pages. Foreign text goes through here before it enters a message.
 */
export class Secrets {
  readonly #known = new Map<string, RegExp>();

  /** A secret that goes out. Adding it again costs nothing. */
  add(secret: string): void {
    if (secret === '' || this.#known.has(secret)) return;
    if (this.#known.size >= MOST) this.#known.delete([...this.#known.keys()][FIRST] ?? '');
    this.#known.set(secret, patternOf(secret));
  }

  /** Headers that go out with a call: each value, and what stands after its scheme (`Bearer`, `Basic`). */
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

/** Matches a secret in whichever coding it may be repeated. */
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
